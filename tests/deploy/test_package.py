"""The Debian package: built from the binary that is there, installed, changed, upgraded, removed and purged."""

import os
import pathlib
import shutil
import subprocess
import unittest

from sandbox import BINARY, ROOT, TARGET, Sandbox

CARGO_DEB = os.environ["POSTRIDER_CARGO_DEB"]


def built():
    """The package. cargo-deb looks for what it packs where a release would have left it."""
    target = TARGET / "deploy/package"
    release = target / "release"
    shutil.rmtree(target, ignore_errors=True)
    (release / "completions").mkdir(parents=True)
    # Packed without what only a debugger reads, as a release is: it would be ninety megabytes otherwise.
    subprocess.run(["strip", "--strip-debug", "-o", release / "postrider", BINARY], check=True)
    subprocess.run([ROOT / "scripts/shell-files", BINARY, release], check=True)
    done = subprocess.run(
        [CARGO_DEB, "deb", "--no-build", "--no-strip", "--fast", "--quiet", "-p", "postrider", "--output", target / "postrider.deb"],
        cwd=ROOT,
        env={**os.environ, "CARGO_TARGET_DIR": str(target)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return target / "postrider.deb", done.stderr


class Package(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.package, cls.warnings = built()

    def field(self, name):
        return subprocess.run(["dpkg-deb", "-f", self.package, name], capture_output=True, text=True).stdout.strip()

    def test_nothing_was_complained_of_while_it_was_built(self):
        self.assertEqual(self.warnings, "")

    def test_it_says_what_it_is_and_needs(self):
        version = subprocess.run([BINARY, "--version"], capture_output=True, text=True).stdout.split()[1]
        self.assertTrue(self.field("Version").startswith(version))
        for needed in ("libc6", "adduser"):
            self.assertIn(needed, self.field("Depends"))
        self.assertTrue(self.field("Description"))

    def test_it_holds_a_page_for_each_command_and_words_for_each_shell(self):
        listed = subprocess.run(["dpkg-deb", "-c", self.package], capture_output=True, text=True).stdout
        held = {line.split()[5].removeprefix("./"): line.split()[:2] for line in listed.splitlines()}
        pages = [name for name in held if name.startswith("usr/share/man/man1/postrider") and name.endswith(".gz")]
        self.assertEqual(len(pages), len(list((TARGET / "deploy/package/release/man").iterdir())))
        for name in (
            "usr/bin/postrider",
            "lib/systemd/system/postrider.service",
            "usr/share/bash-completion/completions/postrider",
            "usr/share/zsh/vendor-completions/_postrider",
            "usr/share/fish/vendor_completions.d/postrider.fish",
            "usr/share/doc/postrider/grants.sql",
            "usr/share/doc/postrider/CHANGELOG.md",
        ):
            self.assertTrue(any(there.removeprefix("usr/") == name.removeprefix("usr/") for there in held), name)
        self.assertEqual(held["etc/postrider/postrider.toml"], ["-rw-r-----", "0/0"])

    def test_a_life_with_it(self):
        why = Sandbox.missing()
        if why:
            self.skipTest(why)
        said = Sandbox.must(self, LIFE, PACKAGE=str(self.package))
        self.assertIn("the whole life was lived", said)


# What an operator does, and finds.
LIFE = r"""
export DEBIAN_FRONTEND=noninteractive
is() { [ "$2" = "$3" ] || { echo "$1: $2, and not $3"; exit 1; }; }
quietly() { "$@" >/tmp/said 2>&1 || { cat /tmp/said; exit 1; }; }

# An index of all pages is made anew with each change otherwise.
rm -f /var/lib/man-db/auto-update
quietly dpkg -i "$PACKAGE"
/usr/bin/postrider --version
is "the user" "$(getent passwd postrider | cut -d: -f6,7)" /var/lib/postrider:/usr/sbin/nologin
is "its folder" "$(stat -c '%a %U:%G' /var/lib/postrider)" "700 postrider:postrider"
is "the config" "$(stat -c '%a %U:%G' /etc/postrider/postrider.toml)" "640 root:postrider"
is "the service is asked for" "$(ls /etc/systemd/system/multi-user.target.wants/postrider.service 2>/dev/null || echo no)" no
quietly systemd-analyze verify --man=no /lib/systemd/system/postrider.service
is "what systemd-analyze has to say" "$(cat /tmp/said)" ""
quietly man -w postrider-cursor-seek

# As the unit starts it, on a store in SQLite.
cd /var/lib/postrider
sed -i 's#^url_env = .*#url = "sqlite:///var/lib/postrider/events.db"#' /etc/postrider/postrider.toml
as() { setpriv --reuid=postrider --regid=postrider --clear-groups env -u CARGO_HOME HOME=/ "$@"; }
# Where everybody may read it, whoever the folder of the sources belongs to.
install -m 0644 "EVENTS" /tmp/events.sql
as python3 - <<'SQL'
import sqlite3
sqlite3.connect("events.db").executescript(open("/tmp/events.sql").read())
SQL
$(sed -n 's/^ExecStart=//p' /lib/systemd/system/postrider.service | sed 's#^#as #') >/tmp/log 2>&1 &
for _ in $(seq 100); do
    as postrider --config /etc/postrider/postrider.toml healthcheck >/tmp/said 2>&1 && break
    sleep 0.2
done
is "the daemon" "$(cat /tmp/said)" ready
kill -TERM "$(pgrep -x postrider)"
wait $! || { cat /tmp/log; exit 1; }
is "the state" "$(stat -c '%U' /var/lib/postrider/events.state.db)" postrider

# An upgrade keeps what was changed, and whom it was given to.
chown root:adm /etc/postrider/postrider.toml
quietly dpkg -i "$PACKAGE"
is "the config afterwards" "$(stat -c '%a %U:%G' /etc/postrider/postrider.toml)" "640 root:adm"
grep -q sqlite: /etc/postrider/postrider.toml

quietly dpkg -r postrider
is "the binary" "$(ls /usr/bin/postrider 2>/dev/null || echo gone)" gone
is "the state" "$(ls /var/lib/postrider/events.state.db)" /var/lib/postrider/events.state.db
is "the config" "$(ls /etc/postrider/postrider.toml)" /etc/postrider/postrider.toml
touch /etc/postrider/secrets.env
quietly dpkg --purge postrider
is "what is left" "$(ls -d /etc/postrider /var/lib/postrider 2>/dev/null || echo nothing)" nothing
quietly dpkg -i "$PACKAGE"
quietly dpkg --purge postrider
echo "the whole life was lived"
""".replace("EVENTS", str(ROOT / "tests/events.sql"))


if __name__ == "__main__":
    unittest.main()
