"""Both services that host plugins, as processes of their own."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

import pytest


class Addresses(NamedTuple):
    environment: str
    verifier: str


@contextmanager
def serving(kind: str, plugins: tuple[str, ...]) -> Iterator[str]:
    """The address of a service that hosts these plugins alone; it ends also with sessions left open."""
    alone = ["--plugins", json.dumps(plugins), "--server.drain_seconds", "0"]
    command = [sys.executable, "-m", f"farfield_{kind}", *alone]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        ports = (json.loads(line).get("port") for line in process.stderr)
        port = next(filter(None, ports), None)
        assert port, f"the {kind} service did not start"
        try:
            yield f"127.0.0.1:{port}"
        finally:
            process.terminate()
            process.communicate(timeout=20)


@pytest.fixture(scope="module")
def serve() -> Iterator[Callable[..., Addresses]]:
    """Starts an environment and a verifier service for some plugins; they end with the module."""
    with ExitStack() as stack:

        def started(*plugins: str) -> Addresses:
            return Addresses(
                *(stack.enter_context(serving(kind, plugins)) for kind in ("environment", "verifier"))
            )

        yield started
