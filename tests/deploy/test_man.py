"""The man pages, as troff: well made, and readable."""

import pathlib
import subprocess
import tempfile
import unittest

from sandbox import BINARY


class Man(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        subprocess.run([BINARY, "man", self.folder.name], check=True)
        self.pages = sorted(pathlib.Path(self.folder.name).iterdir())

    def test_mandoc_finds_no_error_in_any_page(self):
        self.assertGreater(len(self.pages), 40)
        done = subprocess.run(["mandoc", "-T", "lint", "-W", "error", *self.pages], capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stdout), (0, ""))

    def test_a_page_shows_what_help_says(self):
        page = pathlib.Path(self.folder.name) / "postrider-cursor-seek.1"
        text = subprocess.run(["mandoc", "-T", "ascii", page], capture_output=True, text=True, check=True).stdout
        plain = subprocess.run(["col", "-b"], input=text, capture_output=True, text=True, check=True).stdout
        self.assertIn("--dry-run", plain)
        self.assertIn("Exit codes: 0 done", plain)

    def test_pages_are_the_same_each_time(self):
        with tempfile.TemporaryDirectory() as again:
            subprocess.run([BINARY, "man", again], check=True)
            for page in self.pages:
                self.assertEqual(page.read_bytes(), (pathlib.Path(again) / page.name).read_bytes())


if __name__ == "__main__":
    unittest.main()
