"""The systemd unit: sound, shut in, and with a filter that lets the daemon do what it does."""

import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

from sandbox import BINARY, ROOT

UNIT = ROOT / "deploy/postrider.service"
# What `systemd-analyze security` may say at most: 0 is a service that can do nothing, 10 one that can do everything.
BAR = 1.5


def said(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return done.returncode, done.stdout


def settings(name):
    lines = UNIT.read_text().splitlines()
    return [line.partition("=")[2] for line in lines if line.startswith(f"{name}=")]


def calls(group):
    """The system calls of a set, with those of the sets in it."""
    code, text = said("systemd-analyze", "syscall-filter", group)
    assert code == 0, text
    found = set()
    for line in text.splitlines()[1:]:
        word = line.strip()
        if word.startswith("@"):
            found |= calls(word)
        elif word and not word.startswith("#"):
            found.add(word)
    return found


def allowed():
    """What the unit's filter lets through: its lines in their order."""
    found = set()
    for line in settings("SystemCallFilter"):
        named = set().union(*(calls(group) for group in line.removeprefix("~").split()))
        found = found - named if line.startswith("~") else found | named
    return found


class Unit(unittest.TestCase):
    def test_systemd_understands_every_line(self):
        with tempfile.TemporaryDirectory() as folder:
            # The program is not installed where the unit looks for it.
            text = UNIT.read_text().replace("ExecStart=/usr/bin/postrider", f"ExecStart={BINARY}")
            file = pathlib.Path(folder) / "postrider.service"
            file.write_text(text)
            code, said_ = said("systemd-analyze", "verify", "--man=no", str(file))
            self.assertEqual((code, said_), (0, ""))

    def test_the_service_is_shut_in(self):
        threshold = str(int(BAR * 10))
        code, text = said("systemd-analyze", "security", "--offline=true", f"--threshold={threshold}", str(UNIT))
        figure = re.search(r"exposure level for postrider.service: ([0-9.]+)", text)
        self.assertIsNotNone(figure, text)
        print(f"exposure {figure[1]}, at most {BAR}")
        self.assertEqual(code, 0, text)

    def test_a_stop_has_time_for_the_grace_of_the_daemon(self):
        grace = re.search(r'^shutdown_grace = "(\d+)s"', (ROOT / "config.example.toml").read_text(), re.M)
        self.assertGreater(int(settings("TimeoutStopSec")[0].removesuffix("s")), int(grace[1]))

    def test_the_daemon_makes_no_call_that_the_filter_refuses(self):
        self.assertIsNotNone(shutil.which("strace"), "strace is missing")
        with tempfile.TemporaryDirectory() as folder:
            os.chmod(folder, 0o777)
            trace, binary = pathlib.Path(folder) / "calls", pathlib.Path(folder) / "postrider"
            shutil.copy2(BINARY, binary)
            # As no root: SQLite gives files away where it may.
            nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.geteuid() == 0 else []
            # The demo is the daemon's own engine, a store, and receivers that misbehave.
            traced = ["strace", "-f", "-qq", "-o", str(trace), "-e", "signal=none", str(binary), "demo", "--events", "50"]
            code, text = said(*nobody, *traced)
            self.assertEqual(code, 0, text)
            made = set(re.findall(r"^\d+ +(\w+)\(", trace.read_text(), re.M))
        self.assertIn("connect", made)
        self.assertEqual(made - allowed(), set())


if __name__ == "__main__":
    unittest.main()
