"""The composition to try postrider with: what its file says is done, with real processes, and the events arrive.

There is no container engine here, so what the engine itself would do (build, pull, limit) is not tested: see compose_run.py for what
is.
"""

import json
import pathlib
import re
import subprocess
import sys
import unittest

import yaml

from sandbox import BINARY, ROOT, Sandbox

FILE = ROOT / "deploy/compose/compose.yaml"
# What events.sql holds for the receiver: three of a person, one of a machine; the password's change is not sent.
EXPECTED = ["user.human.added", "user.human.email.changed", "user.human.email.verified", "user.machine.added"]


class Compose(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.file = yaml.safe_load(FILE.read_text())

    def test_it_names_only_what_is_there(self):
        for name, service in self.file["services"].items():
            for volume in service.get("volumes", []):
                self.assertTrue((FILE.parent / volume.split(":")[0]).is_file(), volume)
            if "build" in service:
                folder = (FILE.parent / service["build"]["context"]).resolve()
                self.assertEqual(folder, ROOT)
                self.assertTrue((folder / service["build"]["dockerfile"]).is_file())
            for needed, how in service.get("depends_on", {}).items():
                if how["condition"] == "service_healthy":
                    self.assertIn("test", self.file["services"][needed]["healthcheck"], name)

    def test_the_daemon_may_do_little(self):
        service = self.file["services"]["postrider"]
        self.assertTrue(service["read_only"])
        self.assertEqual(service["cap_drop"], ["ALL"])
        grace = re.search(r'^shutdown_grace = "(\d+)s"', (ROOT / "config.example.toml").read_text(), re.M)
        self.assertGreater(int(service["stop_grace_period"].removesuffix("s")), int(grace[1]))

    def test_brought_up_it_delivers_every_event_and_not_the_one_that_is_excluded(self):
        why = Sandbox.missing()
        if why:
            self.skipTest(why)
        bin_ = subprocess.run([ROOT / "scripts/find-postgres"], capture_output=True, text=True, check=True).stdout.strip()
        runner = pathlib.Path(__file__).with_name("compose_run.py")
        command = f"{sys.executable} {runner} {FILE} {BINARY} {bin_} {len(EXPECTED)}"
        said = json.loads(Sandbox.must(self, command).splitlines()[-1])
        self.assertEqual(said["ended"], {"postrider": 0, "receiver": 0}, said["postrider"])
        arrived = [next(word for word in line.split() if word.startswith("user.")) for line in said["receiver"].splitlines() if "user." in line]
        self.assertEqual(arrived, EXPECTED, said)
        self.assertNotIn("not for others", said["receiver"])
        self.assertNotIn("WARN", said["postrider"], said["postrider"])
        print(said["receiver"])


if __name__ == "__main__":
    unittest.main()
