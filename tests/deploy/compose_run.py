"""Carries out a compose file without a container engine, in a copy of this machine: see test_compose.py.

Each service is a process with the command, the environment and the files that the compose file gives it; services find each other by
their names, and wait for each other as the file says. What the images do is known here for the two that are used: PostgreSQL's, which
makes a database and runs what is in its folder, and our own.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

import yaml

FILE = pathlib.Path(sys.argv[1])
BINARY, POSTGRES = sys.argv[2], sys.argv[3]
LOGS = pathlib.Path("/tmp/logs")
DATA = pathlib.Path("/var/lib/compose-postgres")


def mounted(service):
    """The files that a service is given: copied to where it wants them, as this machine is a copy anyway."""
    for volume in service.get("volumes", []):
        origin, goal, mode = volume.split(":")
        assert mode == "ro", volume
        path = pathlib.Path(goal)
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(FILE.parent / origin, path)
        path.chmod(0o644)


def environment(service):
    return {"PATH": f"{POSTGRES}:/usr/bin:/bin", "LC_ALL": "C.UTF-8", **service.get("environment", {})}


def started(name, command, service, uid):
    log = open(LOGS / name, "w")
    drop = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups"]
    return subprocess.Popen([*drop, *command], env=environment(service), stdout=log, stderr=log, cwd="/")


def postgres(name, service):
    """As the image does: a superuser, a database, and then whatever is in the folder, in the order of the names."""
    said = service["environment"]
    as_ = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
    DATA.mkdir(parents=True)
    shutil.chown(DATA, "postgres", "postgres")
    secret = DATA.parent / "password"
    secret.write_text(said["POSTGRES_PASSWORD"])
    run = lambda *command: subprocess.run([*as_, *command], check=True, stdout=subprocess.DEVNULL)
    run(f"{POSTGRES}/initdb", "-D", str(DATA), "-U", "postgres", "--pwfile", str(secret), "--auth-local=trust", "--auth-host=scram-sha-256")
    options = "-c fsync=off -c unix_socket_directories=/tmp"
    run(f"{POSTGRES}/pg_ctl", "-D", str(DATA), "-w", "-o", f"{options} -c listen_addresses=", "-l", "/dev/null", "start")
    psql = [f"{POSTGRES}/psql", "-qv", "ON_ERROR_STOP=1", "-h", "/tmp", "-U", "postgres"]
    run(*psql, "-c", f"CREATE DATABASE {said['POSTGRES_DB']}")
    for file in sorted(pathlib.Path("/docker-entrypoint-initdb.d").glob("*.sql")):
        run(*psql, "-d", said["POSTGRES_DB"], "-f", str(file))
    run(f"{POSTGRES}/pg_ctl", "-D", str(DATA), "-w", "-m", "fast", "stop")
    command = [f"{POSTGRES}/postgres", "-D", str(DATA), "-c", "listen_addresses=*", "-c", "fsync=off", "-c", "unix_socket_directories=/tmp"]
    return started(name, command, service, "postgres")


def ours(name, service):
    return started(name, [BINARY, *service.get("command", ["run"])], service, 65532)


def healthy(service):
    """Asks as the file says, as often as it says."""
    check = service["healthcheck"]
    kind, *command = check["test"]
    assert kind == "CMD", check
    command = [BINARY if word == "postrider" else word for word in command]
    for _ in range(check["retries"]):
        if subprocess.run(command, env=environment(service), stdout=subprocess.DEVNULL).returncode == 0:
            return
        time.sleep(float(check["interval"].removesuffix("s")) / 4)
    raise SystemExit(f"{command} never succeeded")


def main():
    services = yaml.safe_load(FILE.read_text())["services"]
    LOGS.mkdir()
    with open("/etc/hosts", "a") as hosts:
        for number, name in enumerate(services, 2):
            hosts.write(f"127.0.0.{number} {name}\n")
    running, waiting = {}, dict(services)
    # The default of the image, which compose does not repeat.
    os.environ["POSTRIDER_CONFIG"] = "/etc/postrider/postrider.toml"
    while waiting:
        ready = [name for name in waiting if all(needed in running for needed in waiting[name].get("depends_on", {}))]
        assert ready, f"these wait for each other: {list(waiting)}"
        for name in ready:
            service = waiting.pop(name)
            for needed, how in service.get("depends_on", {}).items():
                if how["condition"] == "service_healthy":
                    healthy(services[needed])
            mounted(service)
            if service["image"] == "postrider":
                service.setdefault("environment", {})["POSTRIDER_CONFIG"] = "/etc/postrider/postrider.toml"
            running[name] = (postgres if service["image"].startswith("postgres:") else ours)(name, service)
    healthy(services["postrider"])
    wanted = int(sys.argv[4])
    for _ in range(100):
        lines = (LOGS / "receiver").read_text().splitlines()
        if len(lines) > wanted:
            break
        time.sleep(0.2)
    ended = {}
    for name in ("postrider", "receiver"):
        running[name].terminate()
        ended[name] = running[name].wait(30)
    running["db"].terminate()
    running["db"].wait(30)
    print(json.dumps({"ended": ended, **{name: (LOGS / name).read_text() for name in services}}))


main()
