"""Servers and players in processes of their own."""

import json
import os
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Sequence
from typing import Any

import psutil

from benchmarks.places import ROOT

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


class Player:
    """One who plays rounds (`player.py`), for the length of a block."""

    def __init__(self, started: Sequence[str]) -> None:
        self._started = started

    def __enter__(self) -> "Player":
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self._process = subprocess.Popen(self._started, text=True, cwd=ROOT, env=surroundings(), **pipes)
        return self

    def say(self, *words: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(" ".join(map(str, words)) + "\n")
        self._process.stdin.flush()

    def hear(self) -> str:
        assert self._process.stdout is not None
        if line := self._process.stdout.readline():
            return line.strip()
        raise RuntimeError(f"{self._started} ended")

    def __exit__(self, *_: object) -> None:
        """When its round is over."""
        self._process.communicate()


def played(server: Server, players: Sequence[Player], *given: object) -> tuple[list[dict[str, Any]], float]:
    """What players say of a round, and the CPU seconds of the server since they began: all at once, when all
    are ready."""
    for player in players:
        player.say(*given)
    for player in players:
        player.hear()
    cpu = server.cpu_seconds()
    for player in players:
        player.say("go")
    found = [json.loads(player.hear()) for player in players]
    return found, server.cpu_seconds() - cpu
