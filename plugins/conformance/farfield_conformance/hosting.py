"""The real services as processes, each with the plugin under check alone."""

import json
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import IO

STOP_SECONDS = 20
LAST_LINES = 12
Settings = Mapping[str, object]


class DidNotStart(Exception):
    """The service ended before it listened; the text is the end of its log."""


class Hosted:
    """A process that serves, and the end of its log."""

    def __init__(self, command: list[str], kind: str) -> None:
        self.log: deque[str] = deque(maxlen=LAST_LINES)
        self._process = subprocess.Popen(  # noqa: S603
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        stream = self._process.stderr
        if stream is None:
            raise DidNotStart(f"the {kind} service has no log")
        self._stream: IO[str] = stream
        self._reader = threading.Thread(target=self._follow, daemon=True)
        self.address = self._address(kind)
        self._reader.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()
        self._stream.close()

    def _address(self, kind: str) -> str:
        for line in self._stream:
            if port := _port(line):
                return f"127.0.0.1:{port}"
            self.log.append(line.rstrip())
        self._process.wait()
        self._stream.close()
        raise DidNotStart(f"the {kind} service ended before it listened:\n" + "\n".join(self.log))

    def _follow(self) -> None:
        for line in self._stream:
            self.log.append(line.rstrip())


@contextmanager
def hosted(kind: str, plugin: str, settings: Settings | None = None) -> Iterator[Hosted]:
    """`python -m farfield_<kind>` with one plugin on a free port, for the length of a block."""
    given = {"plugins": json.dumps([plugin]), "log_level": "info", **(settings or {})}
    flags = [word for key, value in given.items() for word in (f"--{key}", str(value))]
    service = Hosted([sys.executable, "-m", f"farfield_{kind}", *flags], kind)
    try:
        yield service
    finally:
        service.stop()


def _port(line: str) -> int:
    try:
        return int(json.loads(line).get("port", 0))
    except (ValueError, AttributeError):
        return 0
