"""Secrets stay where they are kept: not in logs, command lines, run folders, metrics or what commands say,
though everything is logged and much goes wrong. Comes after the other tests of the stack: it breaks Redis."""

import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote, urlsplit

import grpc
import psutil
import pytest
import yaml

from tests.security.conftest import MODEL, Secured
from tests.security.test_closed import call, methods, options, token

RUN = {
    "base": str(MODEL),
    "environment": {
        "name": "generalpoints",
        "variant": "id",
        "options": {"prompt": "compact", "max_turns": 2},
    },
    "reward": {"leaf": {"verifier": "generalpoints", "options": {"rewards": "outcome"}}},
    "sampling": {"max_new_tokens": 40},
    "algorithm": {"kind": "rl"},
    "updates": 2,
    "batch": {"groups": 4, "group_size": 2},
}
ONES_OWN = "sEcret7/of@one:own#x"
"""In URLs as people write them, with characters that should have been encoded."""
BAD_URLS = {
    "wrong password": "rediss://worker:{quoted}@{host}/0?{files}",
    "nobody there": "rediss://worker:{quoted}@127.0.0.1:1/0?{files}",
    "not encoded": "rediss://worker:{raw}@{host}/0?{files}",
    "no such scheme": "amqp://worker:{quoted}@{host}/0",
    "no number": "rediss://worker:{quoted}@{host}/0?socket_timeout={quoted}",
}


def secrets_of(secured: Secured) -> dict[str, str]:
    """Whatever must not be seen, by what it is."""
    known = {"token": secured.keys.token, "one's own": ONES_OWN, "part of one's own": ONES_OWN[:7]}
    for path in (secured.state / "keys").glob("*.yaml"):
        told = yaml.safe_load(path.read_text())
        if url := told.get("queue_url") or told.get("redis"):
            known[f"password in {path.name}"] = str(urlsplit(url).password)
    for path in (secured.state / "keys").glob("*.key"):
        known[path.name] = path.read_text().splitlines()[1]
    known["one's own, quoted"] = quote(ONES_OWN, safe="")
    return known


class Heard:
    """What was said, by whom."""

    def __init__(self, secured: Secured) -> None:
        self._secrets = secrets_of(secured)
        self.leaks: list[str] = []

    def check(self, where: str, text: str) -> None:
        self.leaks += [f"{name} in {where}" for name, secret in self._secrets.items() if secret in text]

    def command_lines(self) -> None:
        for process in psutil.Process().children(recursive=True):
            try:
                self.check(f"command line of {process.pid}", " ".join(process.cmdline()))
            except psutil.Error:
                continue


def said_by(*words: str) -> str:
    done = subprocess.run(
        [sys.executable, *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
        cwd=MODEL.parents[2],
    )
    return done.stdout + done.stderr


def commands(secured: Secured, folder: Path) -> Iterator[tuple[str, str]]:
    """What the commands say, of a run as well."""
    file = folder / "secretive.yaml"
    file.write_text(yaml.safe_dump(RUN))
    state = ("--state", str(secured.state))
    for words in (("train", str(file)), ("status", "--json")):
        yield " ".join(words), said_by("-m", "farfield_cli", *words, *state)


def wrong(kind: str, file: Path, variables: Mapping[str, str], seconds: float = 240) -> tuple[str, str]:
    """What a service says that is told something wrong, and its metrics: it ends by itself, or once it has
    warned."""
    prefix = f"FARFIELD_{kind.upper()}__"
    given = {f"{prefix}{key.upper()}": value for key, value in variables.items()}
    given |= {f"{prefix}LOG_LEVEL": "debug", f"{prefix}SERVER__METRICS_PORT": "0"}
    command = [sys.executable, "-m", f"farfield_{kind}", "--config", str(file)]
    log = file.with_suffix(".log")
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env={**os.environ, **given})
        deadline = time.monotonic() + seconds
        while process.poll() is None and time.monotonic() < deadline and not _complains(log.read_text()):
            time.sleep(0.2)
        shown = _metrics(log.read_text()) if process.poll() is None else ""
        process.kill()
        process.wait()
    return log.read_text(), shown


def _complains(said: str) -> bool:
    return '"level": "warning"' in said or '"level": "error"' in said


def _metrics(said: str) -> str:
    ports = [line.partition("metrics on port ")[2].split('"')[0] for line in said.splitlines()]
    port = next(filter(None, ports))
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as page:
        return page.read().decode()


@pytest.fixture(scope="module")
def heard(secured: Secured, tmp_path_factory: pytest.TempPathFactory) -> Heard:
    """Everything that is said, while all goes well and while much does not."""
    heard, folder = Heard(secured), tmp_path_factory.mktemp("wrong")
    for name, text in commands(secured, folder):
        assert text
        heard.check(f"`farfield {name}`", text)
        assert name.startswith("train") <= ("succeeded" in text), text
    heard.command_lines()
    _knock(secured)
    os.kill(secured.pid("redis"), signal.SIGKILL)
    _misconfigure(secured, folder, heard)
    return heard


def _knock(secured: Secured) -> None:
    """With the token of another."""
    for name in ("environment", "trainer.default"):
        credentials = secured.keys.tls.channel_credentials()
        with grpc.secure_channel(secured.address(name), credentials, options(name)) as channel:
            for method in methods(secured, name):
                call(channel, method, token(secured, ONES_OWN))


def _misconfigure(secured: Secured, folder: Path, heard: Heard) -> None:
    own = folder / "worker.yaml"
    told = yaml.safe_load((secured.state / "keys" / "worker.default.0.yaml").read_text())
    for section in ("environment", "verifier"):
        told[section]["address"] = secured.address(section)
    own.write_text(yaml.safe_dump(told))
    tls = secured.keys.tls
    files = f"ssl_ca_certs={tls.ca}&ssl_certfile={tls.certificate}&ssl_keyfile={tls.key}"
    here = {"host": secured.address("redis"), "files": files, "raw": ONES_OWN}
    for name, url in BAD_URLS.items():
        made = url.format(**here, quoted=quote(ONES_OWN, safe=""))
        said, page = wrong("rollout", own, {"queue_url": made, "queue_patience_seconds": "1"})
        assert _complains(said) or "queue url" in said, (name, said)
        heard.check(f"a worker's log, {name}", said)
        heard.check(f"a worker's metrics, {name}", page)
    said, _ = wrong("rollout", own, {"server__token": f"[{ONES_OWN}]"})
    assert "server.token" in said
    heard.check("a worker's log, of a token that is none", said)


@pytest.mark.timeout(600)
def test_nothing_that_was_said_or_written_has_a_secret(secured: Secured, heard: Heard) -> None:
    for path in secured.folder.rglob("*"):
        if path.is_file() and "keys" not in path.relative_to(secured.state.parent).parts:
            heard.check(str(path.relative_to(secured.folder)), path.read_bytes().decode(errors="replace"))
    heard.command_lines()
    assert heard.leaks == []


def test_the_search_finds_what_it_looks_for(secured: Secured) -> None:
    heard = Heard(secured)
    for path in (secured.state / "keys").iterdir():
        heard.check(path.name, path.read_text())
    assert len(heard.leaks) > 15


def test_the_stack_goes_on(secured: Secured, heard: Heard) -> None:
    deadline = time.monotonic() + 120
    while "serving" not in said_by("-m", "farfield_cli", "status", "--state", str(secured.state)):
        assert time.monotonic() < deadline
    assert secured.stack.restarts() == {"redis": 1}
