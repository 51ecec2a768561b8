"""The child's end of `children`: a line of JSON in, a line of JSON out, until the input ends.

Each request brings its deadline, in seconds of computing: a busy machine makes no item late. Past it the
operating system ends the process, whatever it does and whether or not its parent still lives.
"""

import json
import os
import resource
import signal
import sys
from typing import Any, BinaryIO

START_SECONDS = 60.0
"""Longest that the library may take to be imported."""
MEMORY_BYTES = 4 * 1024**3
"""What a runaway answer may take before it is a MemoryError."""


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, which decides
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_PROF, START_SECONDS)
    requests, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what the library prints belongs to the log
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    from farfield_reasoning_gym import guards, library

    guards.put_up()
    known = (library.names, library.check, library.entry, library.score)
    methods = {method.__name__: method for method in known}
    signal.setitimer(signal.ITIMER_PROF, 0)
    for line in requests:
        _send(answers, _answer(methods, json.loads(line)))


def _answer(methods: dict[str, Any], request: list[Any]) -> dict[str, Any]:
    seconds, method, arguments = request
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        return {"value": methods[method](*arguments)}
    except Exception as error:  # the library may raise anything
        return {"error": [type(error).__name__, str(error)]}
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def _send(stream: BinaryIO, answer: dict[str, Any]) -> None:
    stream.write(json.dumps(answer).encode() + b"\n")
    stream.flush()


if __name__ == "__main__":
    main()
