"""Servers and players in processes of their own."""

import json
import os
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).parents[2]
PLUGIN_PATHS = ("plugins/sdk", "plugins/generalpoints")
"""What a peer's interpreter is shown of Farfield."""


def command(module: str, *arguments: object, python: str = sys.executable) -> list[str]:
    return [python, "-m", f"benchmarks.environment.{module}", *map(str, arguments)]


def surroundings() -> dict[str, str]:
    path = os.pathsep.join(str(ROOT / folder) for folder in PLUGIN_PATHS)
    return {**os.environ, "PYTHONPATH": path}


class Server:
    """A server whose log on stderr names its port, for the length of a block."""

    def __init__(self, started: Sequence[str]) -> None:
        self._started = started

    def __enter__(self) -> "Server":
        self._process = subprocess.Popen(
            self._started, stderr=subprocess.PIPE, text=True, cwd=ROOT, env=surroundings()
        )
        assert self._process.stderr is not None
        for line in self._process.stderr:
            if line.startswith("{") and (port := json.loads(line).get("port")):
                self.port, self.address = port, f"127.0.0.1:{port}"
                # Its log goes on, and a full pipe would stop it.
                threading.Thread(target=deque, args=(self._process.stderr, 0), daemon=True).start()
                return self
        raise RuntimeError(f"{self._started} did not start")

    def cpu_seconds(self) -> float:
        """Of the server and its children."""
        main = psutil.Process(self._process.pid)
        times = [one.cpu_times() for one in (main, *main.children(recursive=True))]
        return sum(one.user + one.system for one in times)

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()


def played(server: Server, commands: Sequence[Sequence[str]]) -> tuple[list[dict[str, Any]], float]:
    """What players say when they are done, and the CPU seconds of the server since they began: all at once,
    when all are ready."""
    with ExitStack() as stack:
        players = [stack.enter_context(player(one)) for one in commands]
        cpu = server.cpu_seconds()
        for one in players:
            begin(one)
        found = [json.loads(one.communicate()[0]) for one in players]
        return found, server.cpu_seconds() - cpu


def player(started: Sequence[str]) -> subprocess.Popen[str]:
    """One that is ready."""
    process = subprocess.Popen(
        started, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=surroundings()
    )
    assert process.stdout is not None
    if process.stdout.readline() != "ready\n":
        raise RuntimeError(f"{started} ended before it was ready")
    return process


def begin(ready: subprocess.Popen[str]) -> None:
    assert ready.stdin is not None
    ready.stdin.write("go\n")
    ready.stdin.flush()


def machine() -> dict[str, Any]:
    """What a figure hangs on."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return {
        "cpu": next((line.partition(": ")[2] for line in lines if line.startswith("model name")), ""),
        "cpus": os.cpu_count(),
        "load_average": round(os.getloadavg()[0], 1),
    }
