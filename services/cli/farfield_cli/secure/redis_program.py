"""The embedded Redis behind TLS: a port on this machine for who has a certificate and a user's password."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

from farfield_cli.secure.keyring import Keyring
from farfield_cli.stack import ports
from farfield_cli.stack.program import Program
from farfield_cli.stack.readiness import secure_redis_answers
from farfield_cli.stack.redis_program import find_servers
from farfield_kernel.errors import FailedPrecondition

_LOOK_SECONDS = 30


def find_tls_server() -> str:
    """The first server that was built with TLS."""
    found = find_servers()
    for server in found:
        if _speaks_tls(server):
            return server
    raise FailedPrecondition(
        f"a secure stack needs a Redis that was built with TLS, which {' and '.join(found) or 'no server'} "
        "was not; install one: `apt-get install redis-server` or `brew install redis`"
    )


def _speaks_tls(server: str) -> bool:
    """One that does misses its certificate; any other does not get as far as that."""
    command = [server, "--port", "0", "--tls-port", "1", "--save", ""]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_LOOK_SECONDS, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return False
    return b"tls-cert-file" in done.stdout + done.stderr


def secure_redis_program(
    state: Path, log: Path, environment: Mapping[str, str], keyring: Keyring, port: int
) -> Program:
    """The server over `state/redis`."""
    folder = (state / "redis").resolve()
    folder.mkdir(parents=True, exist_ok=True)
    tls, users = keyring.redis(port)
    command = (
        find_tls_server(),
        *("--port", "0", "--bind", ports.HOST, "--tls-port", str(port), "--tls-auth-clients", "yes"),
        *("--tls-cert-file", str(tls.certificate), "--tls-key-file", str(tls.key)),
        *("--tls-ca-cert-file", str(tls.ca), "--aclfile", str(users)),
        *("--dir", str(folder), "--save", ""),
        *("--appendonly", "yes", "--appendfsync", "everysec"),
    )

    async def ready() -> bool:
        return await secure_redis_answers(keyring.command.redis)

    address = f"{ports.HOST}:{port}"
    return Program("redis", command, log, ready, address, start_seconds=60, environment=environment)
