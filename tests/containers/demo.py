"""A release of the demo's values in containers, as the tests speak of it."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from farfield.trainer.v1 import trainer_pb2 as pb
from farfield_cli.runs.trainer import Trainer
from tests.cluster.releases import Release
from tests.integration.chart.rendering import NAMESPACE, ROOT

SERVICES = ("environment", "verifier", "rollout", "policy", "trainer")
VALKEY = "docker.io/valkey/valkey:8.1"
IMAGES = [*(f"localhost/farfield-{service}:0.1.0" for service in SERVICES), VALKEY]
CLAIM = {
    "apiVersion": "v1",
    "kind": "PersistentVolumeClaim",
    "metadata": {"name": "farfield-models"},
    "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
}
PLUGGED = """
ARG BASE
FROM ${BASE}
COPY site /opt/plugin
USER root
RUN echo /opt/plugin > "$(echo /opt/venv/lib/python3*/site-packages)/plugin.pth"
USER 10001:10001
"""


class Demo(Release):
    patience = "--timeout=300s"

    def bring_model(self) -> None:
        """A claim with the small model, which the values say is there."""
        self._cluster.kubectl("create", "namespace", NAMESPACE)
        self._cluster.apply(CLAIM, namespace=NAMESPACE)
        shutil.copytree(ROOT / "examples/tiny/checkpoint", self.claim("farfield-models") / "tiny")

    def claim(self, name: str) -> Path:
        """The folder that is a claim's content."""
        return self._folder / "claims" / NAMESPACE / name

    def pods(self, kind: str) -> list[str]:
        """Names of the pods of a kind, but those that end."""
        found = self.kubectl("get", "pods", "--selector", f"farfield.dev/kind={kind}", "--output", "json")
        items = [one["metadata"] for one in json.loads(found)["items"]]
        return [one["name"] for one in items if "deletionTimestamp" not in one]

    def wait_ready(self, pod: str, ready: bool = True) -> None:
        self.kubectl("wait", f"--for=condition=Ready={str(ready).lower()}", f"pod/{pod}", "--timeout=120s")

    def wait_complete(self) -> None:
        """Until every workload has all its pods, and they are ready."""
        for name in sorted(self.names("deployments,statefulsets")):
            self.kubectl("rollout", "status", name, "--timeout=120s")

    @property
    def trainer_address(self) -> str:
        """The trainer's name, asked of the cluster's name server: its pods come and go."""
        (pod,) = self.pods("trainer")
        node = self.kubectl("get", "pod", pod, "--output", "jsonpath={.status.hostIP}")
        return f"dns://{node}:53/rl-trainer.{NAMESPACE}.svc.cluster.local:50051"

    async def train(self, run_id: str, config: dict[str, Any]) -> pb.Run:
        """A run as it ends."""
        async with Trainer.at(self.trainer_address, patience_seconds=60) as trainer:
            await trainer.start(run_id, config)
            async for answer in trainer.watch(run_id):
                run = answer.run
        return run

    def summary(self, run_id: str) -> dict[str, Any]:
        return json.loads((self.claim("rl-runs") / run_id / "summary.json").read_text())

    def assert_exactly_once(self, run_id: str, episodes: int) -> None:
        """By the trainer's ledger, audited against the plan."""
        summary = self.summary(run_id)
        assert summary["trained_exactly_once"], summary
        assert summary["episodes"]["planned"] == episodes
        assert summary["episodes"]["trained"] + summary["episodes"]["failed"] == episodes

    def logs(self) -> str:
        """The last lines of every container that has run."""
        files = sorted((self._folder / "logs").rglob("*.log"))
        return "\n".join(f"--- {one.parent.name}\n{_tail(one)}" for one in files)


def _tail(file: Path) -> str:
    return "\n".join(file.read_text(errors="replace").splitlines()[-15:])


def build_plugin(folder: Path, name: str) -> dict[str, str]:
    """A new plugin, as `farfield plugin new` makes it, in images over those of environment and verifier."""
    made = folder / f"farfield-{name}"
    _run(sys.executable, "-m", "farfield_cli", "plugin", "new", "env", name, "--path", str(folder))
    offline = ("--quiet", "--no-deps", "--no-build-isolation", "--no-index")
    _run(sys.executable, "-m", "pip", "install", *offline, "--target", str(folder / "site"), str(made))
    (folder / "Dockerfile").write_text(PLUGGED)
    images = {}
    for service in ("environment", "verifier"):
        images[service] = f"localhost/farfield-{service}-with-{name}"
        base = f"BASE=localhost/farfield-{service}:0.1.0"
        build_image(folder, f"{images[service]}:0.1.0", "--build-arg", base)
    return images


def build_image(folder: Path, name: str, *words: str) -> None:
    """Of the folder's Dockerfile, over images that are here."""
    _run(
        *("buildah", "bud", "--isolation", "chroot", "--pull-never", "--format", "docker", "--quiet"),
        *(*words, "--tag", name, str(folder)),
    )


def _run(*words: str) -> None:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(words)}: {done.stdout}{done.stderr}"
