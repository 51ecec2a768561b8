"""One alert from end to end: a policy service meets torn weights, and a Prometheus that scrapes it fires."""

import asyncio
import json
import re
import shutil
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from farfield_kernel.queue.opening import connect
from farfield_kernel.weights import seal

ALERTS = Path(__file__).parents[3] / "helm" / "farfield" / "alerts.yaml"
LANE = "firing"
SECONDS = 120
_LISTENING = re.compile(r'msg="Listening on" address=(\S+)')


class Service:
    """A policy service that answers from a script and follows the weights of the lane."""

    def __init__(self, queue_url: str, log: Path) -> None:
        flags = {
            "engine": {"kind": "scripted", "responses": ["(1 + 2) * 8"]},
            "server.metrics_port": 0,
            "queue_url": queue_url,
            "lane": LANE,
            "retry_seconds": 0.5,
        }
        words = [item for key, value in flags.items() for item in (f"--{key}", json.dumps(value))]
        self.log = log
        with log.open("wb") as file:
            self.child = subprocess.Popen([sys.executable, "-m", "farfield_policy", *words], stderr=file)

    def metrics_port(self) -> int | None:
        assert self.child.poll() is None, self.log.read_text()
        lines = [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]
        return next((line["metrics_port"] for line in lines if "metrics_port" in line), None)


class Prometheus:
    """Scrapes one address every second, as a pod of kind `policy`, under the chart's rules. It takes a free
    port by itself: one that is chosen for it may be another's by the time that it listens."""

    def __init__(self, binary: str, folder: Path, target: str) -> None:
        labels = {"namespace": "train", "pod": "policy-0", "farfield_dev_kind": "policy"}
        shutil.copy(ALERTS, folder)
        config = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": ["alerts.yaml"],
            "scrape_configs": [
                {"job_name": "farfield", "static_configs": [{"targets": [target], "labels": labels}]}
            ],
        }
        (folder / "prometheus.yaml").write_text(yaml.safe_dump(config))
        self._log = folder / "prometheus.log"
        with self._log.open("wb") as log:
            self.child = subprocess.Popen(
                [
                    binary,
                    "--config.file=prometheus.yaml",
                    "--storage.tsdb.path=data",  # Debian's default is one folder for all of the machine
                    "--web.listen-address=127.0.0.1:0",
                ],
                cwd=folder,
                stderr=log,
            )

    def _ask(self, path: str) -> Any:
        listening = _LISTENING.search(self._log.read_text())
        if listening is None:
            return None
        try:
            with urllib.request.urlopen(f"http://{listening[1]}/api/v1/{path}") as answer:
                return json.load(answer)["data"]
        except urllib.error.URLError:  # not up yet
            return None

    def value(self, query: str) -> float | None:
        found = self._ask(f"query?query={urllib.parse.quote(query)}")
        return float(found["result"][0]["value"][1]) if found and found["result"] else None

    def firing(self) -> list[dict[str, Any]]:
        return [alert for alert in self._ask("alerts")["alerts"] if alert["state"] == "firing"]


async def until(look: Callable[[], Any]) -> Any:
    """What `look` finds, once it finds something."""
    async with asyncio.timeout(SECONDS):
        while not (found := look()):  # noqa: ASYNC110
            await asyncio.sleep(0.2)
    return found


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen]]:
    """Processes that end with the test."""
    children: list[subprocess.Popen] = []
    yield children
    for child in children:
        child.kill()
        child.wait()


@pytest.mark.timeout(400)
async def test_torn_weights_are_told(
    make_redis: Any, tmp_path: Path, started: list[subprocess.Popen]
) -> None:
    binary = shutil.which("prometheus")
    if binary is None:
        pytest.skip("no prometheus on PATH")
    redis = make_redis()
    service = Service(redis.url, tmp_path / "log")
    started.append(service.child)
    target = f"127.0.0.1:{await until(service.metrics_port)}"
    prometheus = Prometheus(binary, tmp_path, target)
    started.append(prometheus.child)
    await until(lambda: prometheus.value("farfield_policy_torn_weights_total") == 0)
    assert prometheus.firing() == []

    weights = tmp_path / "weights"
    weights.mkdir()
    (weights / "model.safetensors").write_bytes(b"whole")
    sealed = seal(weights, "run", 3)
    (weights / "model.safetensors").write_bytes(b"torn")
    queue = connect(redis.url)
    await queue.announce(LANE, sealed)
    await queue.close()

    (alert,) = await until(prometheus.firing)
    assert alert["labels"]["alertname"] == "FarfieldTornWeights"
    assert alert["annotations"]["summary"].startswith("Policy policy-0 cannot load the announced weights")
    assert "model.safetensors is not what was published" in service.log.read_text()
