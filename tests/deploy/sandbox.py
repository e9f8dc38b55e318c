"""A copy of this machine that forgets everything: an overlay over its root, with a network and processes of its own.

What is installed, written or started in it leaves nothing behind. It needs root, and a kernel that lets namespaces and overlays be made;
where it does not, `Sandbox.missing()` says so.
"""

import os
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve()
BINARY = pathlib.Path(os.environ.get("POSTRIDER_BIN", TARGET / "debug/postrider")).resolve()

# $1 the folder to work in, $2 the script; the folders that are shown beside the root come after it.
ENTER = r"""
set -euo pipefail
folder=$1 script=$2
shift 2
mount --make-rprivate /
mount -t tmpfs tmpfs "$folder"
mkdir "$folder/upper" "$folder/work" "$folder/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$folder/upper,workdir=$folder/work" "$folder/root"
for shown; do
    mkdir -p "$folder/root$shown"
    mount --bind "$shown" "$folder/root$shown"
    mount -o remount,bind,ro "$folder/root$shown"
done
mount -t proc proc "$folder/root/proc"
mount --rbind /dev "$folder/root/dev"
mount -t tmpfs -o mode=755 tmpfs "$folder/root/run"
ip link set lo up
exec chroot "$folder/root" bash -euo pipefail -c "$script"
"""


class Sandbox:
    """Runs scripts, each in a copy of its own."""

    @staticmethod
    def missing():
        """Why there can be none here, or nothing."""
        if os.geteuid() != 0:
            return "only root can lay a machine over this one"
        tried = Sandbox.run("true")
        if tried.returncode != 0:
            return f"this machine lets no other be laid over it: {tried.stdout.strip()}"
        return None

    @staticmethod
    def run(script, **environment):
        """What became of a script, with all that it said."""
        folder = TARGET / "deploy" / "sandbox"
        folder.mkdir(parents=True, exist_ok=True)
        kept = {name: os.environ[name] for name in ("PATH", "CARGO_HOME", "RUSTUP_HOME") if name in os.environ}
        shown = [str(path) for path in (ROOT, TARGET, BINARY.parent)]
        return subprocess.run(
            ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "bash", "-c", ENTER, "-", folder, script]
            + shown,
            env={**kept, "HOME": "/root", "LC_ALL": "C.UTF-8", **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=600,
        )

    @staticmethod
    def must(test, script, **environment):
        """As `run`; the script has to end well."""
        done = Sandbox.run(script, **environment)
        test.assertEqual(done.returncode, 0, f"\n{done.stdout}")
        return done.stdout
