"""Which of the chart's alerts would fire: promtool evaluates its rules on what real services exported.

A rule looks back ten minutes and longer, and waits as long again; so what a disturbance added to the counters
is taken to be added anew each minute.
"""

import json
import subprocess
import tempfile
import urllib.request
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import yaml
from prometheus_client.parser import text_string_to_metric_families

from farfield_cli.stack.stack import Stack

ALERTS = Path(__file__).parents[2] / "helm" / "farfield" / "alerts.yaml"
_MINUTES = 120
_FIRING = 'alertstate="firing"'


@dataclass(frozen=True, slots=True)
class Alert:
    name: str
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def query(self) -> str:
        labels = _written({"alertname": self.name, **self.labels})
        return f"group(ALERTS{{{_FIRING}, {labels}}})"


class Exported:
    """The values of all series of a stack at one moment, by the name with its labels."""

    def __init__(self, values: Mapping[str, float]) -> None:
        self.values = values

    @classmethod
    def by(cls, stack: Stack) -> "Exported":
        values: dict[str, float] = {}
        for child in stack.supervisor.children:
            pod, kind = child.program.name, child.program.name.partition(".")[0]
            if port := _metrics_port(child.program.log):
                pod_labels = {"namespace": "chaos", "pod": pod, "farfield_dev_kind": kind}
                values[_named("up", pod_labels)] = 1
                values |= _page(port, pod_labels)
        return cls(values)

    def total(self, name: str, labels: Mapping[str, str]) -> float | None:
        """The sum of the series that have these labels, None where there is none."""
        wanted = [f'{label}="{value}"' for label, value in labels.items()]
        found = [
            value
            for series, value in self.values.items()
            if series.startswith(f"{name}{{") and all(one in series for one in wanted)
        ]
        return sum(found) if found else None

    def since(self, before: "Exported", name: str, labels: Mapping[str, str]) -> float:
        return (self.total(name, labels) or 0) - (before.total(name, labels) or 0)


def _metrics_port(log: Path) -> int | None:
    """Of the last start that the log tells of."""
    ports = [
        json.loads(line)["metrics_port"]
        for line in log.read_text().splitlines()
        if line.startswith("{") and '"metrics_port"' in line
    ]
    return ports[-1] if ports else None


def _page(port: int, labels: Mapping[str, str]) -> dict[str, float]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
        text = answer.read().decode()
    return {
        _named(sample.name, {**sample.labels, **labels}): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name.startswith("farfield_")
    }


def _named(name: str, labels: Mapping[str, str]) -> str:
    return f"{name}{{{_written(labels)}}}"


def _written(labels: Mapping[str, str]) -> str:
    return ", ".join(f'{label}="{value}"' for label, value in sorted(labels.items()))


def _as_promtool(before: Exported, after: Exported) -> list[dict[str, str]]:
    """Series that some rule asks for, minute by minute."""
    series, rules = [], ALERTS.read_text()
    for name, value in after.values.items():
        if f"{name.partition('{')[0]}{{" not in rules:
            continue
        first = before.values.get(name, 0.0)
        grows = f"{first}+{value - first}x{_MINUTES}" if "_total{" in name else f"{value}x{_MINUTES}"
        series.append({"series": name, "values": grows})
    return series


def unlike(
    promtool: str,
    before: Exported,
    after: Exported,
    expected: Sequence[Alert],
    maybe: Iterable[str] = (),
) -> str:
    """What promtool finds where not just the expected alerts fire; those of `maybe` may as well."""
    names = sorted({alert.name for alert in expected})
    excluded = "|".join(maybe)
    others = f'group by (alertname) (ALERTS{{{_FIRING}, alertname!~"{excluded}"}})'
    tests = [_asked(others, [f'{{alertname="{name}"}}' for name in names])]
    tests += [_asked(alert.query, ["{}"]) for alert in expected]
    case = {"interval": "1m", "input_series": _as_promtool(before, after), "promql_expr_test": tests}
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "case.yaml").write_text(
            yaml.safe_dump({"rule_files": [str(ALERTS)], "evaluation_interval": "1m", "tests": [case]})
        )
        done = subprocess.run(
            [promtool, "test", "rules", "case.yaml"], cwd=folder, capture_output=True, text=True, check=False
        )
    return "" if done.returncode == 0 else done.stdout + done.stderr


def _asked(query: str, found: Sequence[str]) -> dict[str, object]:
    samples = [{"labels": labels, "value": 1} for labels in found]
    return {"expr": query, "eval_time": f"{_MINUTES - 20}m", "exp_samples": samples}
