"""Containers of the images that `make images` built, closed in as a cluster would run them.

`IMAGES="environment rollout"` names those to test: each of them has to be there, and the others are skipped.
Without it those that are there are tested.
"""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator

import pytest

REPOSITORY = os.environ.get("REPOSITORY", "localhost")
VERSION = "0.1.0"
ASKED = os.environ.get("IMAGES", "").split()
CLOSED_IN = ["--read-only", "--tmpfs", "/tmp", "--cap-drop", "all", "--security-opt", "no-new-privileges"]


def podman(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(["podman", *arguments], capture_output=True, text=True, check=False)
    assert not check or done.returncode == 0, f"podman {' '.join(arguments)}: {done.stderr}"
    return done


def image_of(service: str) -> str:
    """The name of the service's image; skips the test where it is not asked for, or cannot be run."""
    if ASKED and service not in ASKED:
        pytest.skip(f"{service} is not among IMAGES ({' '.join(ASKED)})")
    name = f"{REPOSITORY}/farfield-{service}:{VERSION}"
    missing = _missing(name)
    if missing and ASKED:
        pytest.fail(missing)
    if missing:
        pytest.skip(missing)
    return name


def _missing(name: str) -> str | None:
    """What it takes to run the image."""
    if not shutil.which("podman"):
        return "podman is not here: apt-get install podman runc"
    if podman("image", "exists", name, check=False).returncode:
        return f"there is no image {name}: make images"
    return None


class Container:
    """A running service: read-only, without capabilities, its gRPC port published on this host alone."""

    def __init__(self, service: str, *arguments: str, mounts: tuple[str, ...] = ()) -> None:
        options = ["--detach", "--no-healthcheck", "--publish", "127.0.0.1::50051", *CLOSED_IN]
        for mount in mounts:
            options += ["--volume", mount]
        self.id = podman("run", *options, image_of(service), *arguments).stdout.strip()

    @property
    def address(self) -> str:
        return podman("port", self.id, "50051/tcp").stdout.strip()

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        return podman("exec", self.id, *command, check=False)

    def healthcheck(self, *arguments: str) -> int:
        return self.run("python", "-m", "farfield_kernel.healthcheck", *arguments).returncode

    def wait(self, seconds: float = 60) -> "Container":
        """Returns once it serves."""
        deadline = time.monotonic() + seconds
        while self.healthcheck():
            assert self.state["Running"], podman("logs", self.id).stderr
            assert time.monotonic() < deadline, podman("logs", self.id).stderr
            time.sleep(0.2)
        return self

    @property
    def state(self) -> dict:
        return json.loads(podman("inspect", self.id).stdout)[0]["State"]

    def stop(self) -> int:
        """Exit status after SIGTERM."""
        podman("stop", "--time", "30", self.id)
        return self.state["ExitCode"]


@pytest.fixture(scope="module")
def start() -> Iterator[Callable[..., Container]]:
    """Starts containers; all are removed at the end."""
    containers: list[Container] = []

    def started(service: str, *arguments: str, mounts: tuple[str, ...] = ()) -> Container:
        containers.append(Container(service, *arguments, mounts=mounts))
        return containers[-1].wait()

    yield started
    for container in containers:
        podman("rm", "--force", container.id, check=False)
