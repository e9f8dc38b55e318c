"""The container image: the steps of deploy/Dockerfile, carried out in an order and with a meaning that are Docker's.

Base images cannot be fetched where this runs; each stage stands on a copy of this machine instead, which has to be what the tag
says: the same release of Debian, and for the build the same release of Rust. So what is tested is ours: the context, the steps, the
user, the folders, the health check. How large the image gets is not.
"""

import fnmatch
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import unittest

from sandbox import BINARY, ROOT, TARGET, Sandbox

DOCKERFILE = ROOT / "deploy/Dockerfile"
COMPILE = os.environ.get("DEPLOY_COMPILE") == "1"
HADOLINT = os.environ["POSTRIDER_HADOLINT"]
CONTEXT = TARGET / "deploy/context"


def steps():
    """The Dockerfile's instructions: name and rest, continued lines joined."""
    text = re.sub(r"^\s*#.*\n", "", DOCKERFILE.read_text(), flags=re.M)
    lines = [line.strip() for line in re.sub(r"\\\n\s*", " ", text).splitlines() if line.strip()]
    return [tuple(line.split(None, 1)) for line in lines]


def of(name):
    """What the last such instruction says: the one that holds for the image."""
    return [rest for step, rest in steps() if step == name][-1]


def context():
    """What Docker would send: everything that is tracked or new, less what the ignore file takes away."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True, check=True
    ).stdout.decode().split("\0")
    rules = [line.strip() for line in (ROOT / "deploy/Dockerfile.dockerignore").read_text().splitlines()]
    rules = [rule for rule in rules if rule and not rule.startswith("#")]

    def sent(name):
        kept = True
        parents = [name] + [str(parent) for parent in pathlib.PurePath(name).parents][:-1]
        for rule in rules:
            if any(fnmatch.fnmatchcase(parent, rule.removeprefix("!")) for parent in parents):
                kept = rule.startswith("!")
        return kept

    return sorted(name for name in listed if name and sent(name) and (ROOT / name).exists())


def script():
    """The steps as one shell script: a root for each stage, with what is copied from one to the next."""
    lines = ["mkdir /stages"]
    stage, here = None, "/"
    arguments = []
    for step, rest in steps():
        words = shlex.split(rest)
        if step == "FROM":
            stage, here, arguments = f"/stages/{len(lines)}", "/", []
            alias = words[2] if len(words) == 3 else "image"
            # The build's stage is this copy of the machine itself; the image's root holds only what is copied into it.
            lines += [f"mkdir {stage}", f"declare root_{alias}={stage}"]
            base, alias_here = words[0], alias
            if base.startswith("rust:"):
                release = re.match(r"rust:([\d.]+)-slim-(\w+)", base)
                lines += [f'rustc --version | grep -q "^rustc {release[1]}\\."', f"grep -q VERSION_CODENAME={release[2]} /etc/os-release"]
            else:
                release = re.match(r"debian:(\w+)-slim", base)
                lines += [f"grep -q VERSION_CODENAME={release[1]} /etc/os-release"]
        elif step == "ARG":
            name, _, value = rest.partition("=")
            arguments.append(f"{name}={value}")
        elif step == "WORKDIR":
            here = rest
            lines.append(f"mkdir -p {stage_path(alias_here, stage, here)}")
        elif step == "COPY":
            flags = dict(word[2:].split("=", 1) for word in words if word.startswith("--"))
            *sources, goal = [word for word in words if not word.startswith("--")]
            goal = goal if goal.startswith("/") else f"{here}/{goal}"
            into = stage_path(alias_here, stage, goal)
            for source in sources:
                origin = source if "from" in flags else f"{CONTEXT}/{source}"
                # A folder is copied by what is in it, and its own mode goes along where it is new.
                lines.append(f"[ -e {into} ] || {{ mkdir -p $(dirname {into}) && install -d -m $(stat -c %a {origin}) {into}; }}")
                lines.append(f"cp -R --no-preserve=ownership {origin}/. {into}")
                lines.append(f"chown -R {flags.get('chown', '0:0')} {into}")
        elif step == "RUN":
            command = re.sub(r"--mount=type=cache,target=(\S+)\s*", "", rest)
            exported = "; ".join(f"export {argument}" for argument in arguments)
            lines.append(f"(cd {here}; {exported}; sh -euc {shlex.quote(command)})")
    return "\n".join(lines)


def stage_path(alias, stage, path):
    return path if alias == "build" else f"{stage}{path}"


# In place of the compiler: the manifests and the lock are read as cargo reads them, and the binary is the one that is there.
INSTEAD = r"""
mkdir -p /instead
cat > /instead/cargo <<'SHIM'
#!/bin/bash
set -euo pipefail
[ "$*" = "build --release --locked -p postrider" ] || { echo "another cargo was expected: $*"; exit 1; }
real=$(PATH=${PATH#*:}; command -v cargo)
"$real" metadata --locked --offline --format-version 1 --no-deps >/dev/null
"$real" tree --locked --offline -p postrider >/dev/null
mkdir -p target/release
cp BINARY target/release/postrider
SHIM
chmod +x /instead/cargo
export PATH=/instead:$PATH
""".replace("BINARY", str(BINARY))

# The image as it would be run: its user, its folder, its command, its health check, its signal.
RUN = r"""
image=$root_image
[ "$(stat -c %u:%g:%a $image/var/lib/postrider)" = 65532:65532:700 ] || { stat $image/var/lib/postrider; exit 1; }
[ "$(find $image -type f | sort | sed "s#^$image##" | tr '\n' ' ')" = "/usr/bin/postrider /usr/share/doc/postrider/config.example.toml " ] || { find $image; exit 1; }
needed=$(ldd $image/usr/bin/postrider | awk '{print $1}' | sed 's#.*/##; s#\..*##' | sort | tr '\n' ' ')
# What debian:bookworm-slim has: the C library and the unwinder.
[ "$needed" = "ld-linux-x86-64 libc libgcc_s libm linux-vdso " ] || { echo "needed: $needed"; exit 1; }

cp -a $image/. /
install -D -m 0644 /dev/stdin /etc/postrider/postrider.toml <<'TOML'
[event_store]
url = "sqlite:///var/lib/postrider/events.db"
TOML
as() { setpriv --reuid=${USER%:*} --regid=${USER#*:} --clear-groups env -i PATH=/usr/bin:/bin "$ENV" "$@"; }
cd "$WORKDIR"
# Where everybody may read it, whoever the folder of the sources belongs to.
install -m 0644 "$EVENTS" /tmp/events.sql
as python3 -c "import sqlite3; sqlite3.connect('events.db').executescript(open('/tmp/events.sql').read())"
as $ENTRYPOINT --version
as $ENTRYPOINT $CMD >/tmp/log 2>&1 &
becomes() { for _ in $(seq 150); do
    if as "${@:2}" >/tmp/said 2>&1 && [ "$(cat /tmp/said)" = "$1" ]; then return; fi
    sleep 0.2
done; cat /tmp/said /tmp/log; exit 1; }
becomes ok $HEALTH
becomes ready postrider healthcheck
kill -TERM "$(pgrep -x postrider)"
wait $! || { cat /tmp/log; exit 1; }
! as $HEALTH >/dev/null 2>&1 || { echo "nobody is there, and it is healthy"; exit 1; }
echo "the image was run"
"""


class Image(unittest.TestCase):
    def test_hadolint_finds_nothing_to_complain_of(self):
        done = subprocess.run([HADOLINT, DOCKERFILE], capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stdout), (0, ""))

    def test_the_context_holds_every_file_that_the_binary_is_made_of(self):
        made = BINARY.with_suffix(".d").read_text().partition(":")[2]
        made = [pathlib.Path(os.path.normpath(path)) for path in made.split()]
        # Where the binary was built elsewhere, the paths are of that place.
        top = next(path for path in made if path.parts[-4:] == ("crates", "postrider", "src", "main.rs")).parents[3]
        of_ours = {str(path.relative_to(top)) for path in made if path.is_relative_to(top) and path.is_file()}
        of_ours = {name for name in of_ours if not name.startswith("target/") and ".git" not in name}
        self.assertGreater(len(of_ours), 200)
        self.assertEqual(of_ours - set(context()), set())

    def test_the_context_holds_nothing_that_the_image_is_not_made_of(self):
        names = context()
        self.assertFalse([name for name in names if name.startswith((".git", "docs/", "deploy/", "tests/", "fuzz/", "scripts/"))])

    def test_the_image_is_built_and_runs(self):
        why = Sandbox.missing()
        if why:
            self.skipTest(why)
        shutil.rmtree(CONTEXT, ignore_errors=True)
        for name in context():
            (CONTEXT / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, CONTEXT / name)
        health = of("HEALTHCHECK").partition("CMD ")[2]
        said = Sandbox.must(
            self,
            "\n".join([*([] if COMPILE else [INSTEAD]), script(), RUN]),
            USER=of("USER"),
            WORKDIR=of("WORKDIR"),
            ENV=of("ENV"),
            ENTRYPOINT=" ".join(json.loads(of("ENTRYPOINT"))),
            CMD=" ".join(json.loads(of("CMD"))),
            HEALTH=" ".join(json.loads(health)),
            EVENTS=str(ROOT / "tests/events.sql"),
        )
        self.assertIn("the image was run", said)


if __name__ == "__main__":
    unittest.main()
