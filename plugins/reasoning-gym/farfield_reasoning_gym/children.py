"""The library in child processes of this one.

Three reasons. Some generators iterate over sets of strings: only under a fixed hash seed, which a process
takes at its start, does a seed name the same item everywhere. Some draw from the process-wide generator of
`random`. And some scorers compute what a policy wrote, which may never end: a child ends at its deadline.
"""

import json
import os
import signal
import subprocess
import sys
import threading
from importlib.util import find_spec
from typing import Any

ASK_SECONDS = 15.0
"""Longest that a generator or a scorer may compute."""
COUNT = 4
"""Most children at once; one is started when all others are busy."""


class LibraryError(Exception):
    """The library raised, hung or died. `said` is its own message, without the kind of the error."""

    def __init__(self, message: str, said: str = "") -> None:
        super().__init__(message)
        self.said = said or message


class Child:
    """One process that answers a line with a line. Not safe for concurrent calls."""

    def __init__(self) -> None:
        if find_spec("reasoning_gym") is None:
            raise LibraryError("the library is missing: pip install 'farfield-reasoning-gym[library]'")
        # No variable of the services' own configuration: it may hold credentials.
        kept = {name: text for name, text in os.environ.items() if not name.startswith("FARFIELD")}
        path = os.pathsep.join(filter(None, sys.path))
        self._process = subprocess.Popen(
            [sys.executable, "-m", "farfield_reasoning_gym.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**kept, "PYTHONHASHSEED": "0", "PYTHONPATH": path},
        )
        assert self._process.stdin is not None  # noqa: S101
        assert self._process.stdout is not None  # noqa: S101
        self._requests, self._answers = self._process.stdin, self._process.stdout

    def ask(self, method: str, *arguments: Any, seconds: float = ASK_SECONDS) -> Any:
        """The answer. The child ends when it has none after so many seconds of computing; the time that it
        takes to import the library is not counted."""
        request = json.dumps([seconds, method, arguments]).encode()
        try:
            self._requests.write(request + b"\n")
            self._requests.flush()
            line = self._answers.readline()
        except OSError:
            line = b""
        if not line:
            raise LibraryError(self._why(seconds))
        return _answer(json.loads(line))

    def _why(self, seconds: float) -> str:
        late = self._process.wait() == -signal.SIGPROF
        return f"no answer within {seconds:g} seconds of computing" if late else "its process died"

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._answers.close()
        try:
            self._requests.close()
        except BrokenPipeError:  # a request that never left
            return


def _answer(answer: dict[str, Any]) -> Any:
    if "error" in answer:
        kind, said = answer["error"]
        raise LibraryError(f"{kind}: {said}", said)
    return answer["value"]


class Children:
    """Children for callers on any thread; those that are free wait for the next call. They end with this
    process, whose end closes their input."""

    def __init__(self, count: int = COUNT) -> None:
        self._room = threading.Semaphore(count)
        self._free: list[Child] = []

    def ask(self, method: str, *arguments: Any, seconds: float = ASK_SECONDS) -> Any:
        with self._room:
            child = self._take()
            try:
                answer = child.ask(method, *arguments, seconds=seconds)
            except LibraryError:
                self._give_back(child)
                raise
            except BaseException:  # interrupted: its answer would be taken for the next one's
                child.close()
                raise
            self._give_back(child)
            return answer

    def close(self) -> None:
        while self._free:
            self._free.pop().close()

    def _take(self) -> Child:
        try:
            return self._free.pop()
        except IndexError:
            return Child()

    def _give_back(self, child: Child) -> None:
        if child.alive:
            self._free.append(child)
        else:
            child.close()
