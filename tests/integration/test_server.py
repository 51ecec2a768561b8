"""The kernel's server in a process that is told to end, and over TLS with certificates of openssl."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from farfield_kernel.client import ClientConfig, channel
from farfield_kernel.errors import Unavailable, translated
from farfield_kernel.server import ServerConfig, running
from farfield_kernel.tls import TlsConfig

SERVE = """
import asyncio, sys
from farfield_kernel import logs
from farfield_kernel.server import ServerConfig, serve
logs.setup("sample")
async def forever(): await asyncio.Event().wait()
async def breaks(): raise OSError("the disk is gone")
async def drain(): print("drained", flush=True)
background = {"serves": forever, "breaks": breaks}[sys.argv[1]]
asyncio.run(serve(ServerConfig(metrics_port=0, drain_seconds=0), [], background=[background], drain=drain))
"""


def started(how: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", SERVE, how]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains_and_ends_the_process_well(number: int) -> None:
    with started("serves") as process:
        assert process.stderr is not None
        lines = [json.loads(process.stderr.readline()) for _ in range(2)]
        assert "metrics_port" in lines[0]
        assert "port" in lines[1]
        os.kill(process.pid, number)
        out, _ = process.communicate(timeout=30)
    assert (process.returncode, out) == (0, "drained\n")


def test_a_broken_background_task_ends_the_process_with_its_error() -> None:
    with started("breaks") as process:
        _, err = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "the disk is gone" in err


@pytest.fixture
def certificates(tmp_path: Path) -> TlsConfig:
    """A certificate that signs itself, for `farfield.test`."""
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    names = "subjectAltName=DNS:farfield.test"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=x"]
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed")
    outputs = ["-addext", names, "-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*command, *outputs], capture_output=True, check=True)
    return TlsConfig(certificate=certificate, key=key, ca=certificate, server_name="farfield.test")


async def health(config: ClientConfig) -> int:
    async with channel(config) as opened, translated():
        return (await health_pb2_grpc.HealthStub(opened).Check(health_pb2.HealthCheckRequest())).status


async def test_both_ends_prove_themselves(certificates: TlsConfig) -> None:
    nobody = TlsConfig(ca=certificates.ca, server_name="farfield.test")
    async with running([], ServerConfig(tls=certificates, drain_seconds=0)) as address:
        serving = health_pb2.HealthCheckResponse.SERVING
        assert await health(ClientConfig(address=address, tls=certificates)) == serving
        with pytest.raises(Unavailable):
            await health(ClientConfig(address=address, tls=nobody))
