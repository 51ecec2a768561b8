"""A release of the chart in a simulated cluster, by the real Helm and kubectl."""

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from tests.integration.chart.rendering import CHART, DEMO, NAMESPACE

if TYPE_CHECKING:
    from tests.cluster.simulator import Cluster


class Release:
    """`rl` in the namespace `train`, with the demo's values."""

    patience = "--timeout=60s"

    def __init__(self, helm: str, cluster: "Cluster", folder: Path) -> None:
        self._helm = helm
        self._cluster = cluster
        self._folder = folder

    def helm(self, command: str, *words: str) -> str:
        given = ["--kubeconfig", str(self._cluster.kubeconfig), "--namespace", NAMESPACE]
        line = [self._helm, command, "rl", *words, *given]
        done = subprocess.run(line, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{' '.join(line)}: {done.stderr}"
        return done.stdout

    def install(self, *words: str) -> None:
        self.helm(
            "install",
            str(CHART),
            "--values",
            str(DEMO),
            "--create-namespace",
            "--wait",
            self.patience,
            *words,
        )

    def upgrade(self, **values: object) -> None:
        """To the demo's values with these over them."""
        self.helm(
            "upgrade",
            str(CHART),
            "--values",
            str(DEMO),
            "--values",
            self.write(**values),
            "--wait",
            self.patience,
        )

    def write(self, **values: object) -> str:
        """A file of values."""
        file = self._folder / "values.yaml"
        file.write_text(yaml.safe_dump(values))
        return str(file)

    def kubectl(self, *words: str, stdin: str = "", check: bool = True) -> str:
        return self._cluster.kubectl("--namespace", NAMESPACE, *words, stdin=stdin, check=check)

    def names(self, kinds: str, *words: str) -> set[str]:
        return set(self.kubectl("get", kinds, "--output", "name", *words).split())

    def config(self, name: str) -> dict:
        """What a service is configured with."""
        return yaml.safe_load(
            self.kubectl("get", "configmap", name, "--output", r"jsonpath={.data.config\.yaml}")
        )

    def uid(self, target: str) -> str:
        return self.kubectl("get", target, "--output", "jsonpath={.metadata.uid}")
