"""Writes `docs/metrics.md`: every metric, from the code that makes it, and every alert, from its rule.

`--check` writes nothing and fails when the page is not what it should be.
"""

import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from exported import exported, owner

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "metrics.md"
ALERTS = ROOT / "helm" / "farfield" / "alerts.yaml"

_HEAD = """# Metrics and alerts

<!-- Written by `make metrics-docs` from the code and from helm/farfield/alerts.yaml. -->

Every service with a `server.metrics_port` serves these there at `/metrics`, and beside them
`process_*` (memory, CPU time, open files). A histogram is three series: `_bucket`, `_sum` and `_count`.
[monitoring.md](monitoring.md) says how they are collected, alerted on and shown, and
[operations.md](operations.md) what to do.
"""


def page() -> str:
    return "\n".join([_HEAD, *_metrics(), *_alerts()])


def _metrics() -> Iterator[str]:
    by_owner = defaultdict(list)
    for metric in exported():
        by_owner[owner(metric)].append(metric)
    for service, metrics in sorted(by_owner.items(), key=lambda pair: (pair[0] != "every service", pair[0])):
        yield f"## {service.capitalize()}\n\n| metric | type | labels | meaning |\n|---|---|---|---|"
        for metric in metrics:
            labels = ", ".join(f"`{label}`" for label in metric.labels)
            yield f"| `{metric.name}` | {metric.kind} | {labels} | {metric.text} |"
        yield ""


def _alerts() -> Iterator[str]:
    yield "## Alerts\n\n| alert | severity | after | says | what to do |\n|---|---|---|---|---|"
    for rule in rules():
        after = rule.get("for", "at once")
        says, does = _readable(rule["annotations"]["summary"]), rule["annotations"]["description"]
        yield f"| `{rule['alert']}` | {rule['labels']['severity']} | {after} | {says} | {does} |"
    yield ""


def _readable(summary: str) -> str:
    """A label by its name; a figure as …."""
    shown = r"{{ \$(?:labels\.(?:farfield_dev_)?(\w+)|value[^}]*) }}"
    return re.sub(shown, lambda one: (one[1] or "…").upper(), summary)


def rules() -> list[dict[str, Any]]:
    """Of all groups, in the file's order."""
    groups = yaml.safe_load(ALERTS.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def main(arguments: list[str]) -> None:
    text = page()
    if "--check" not in arguments:
        PAGE.write_text(text)
    elif not PAGE.exists() or PAGE.read_text() != text:
        sys.exit("docs/metrics.md does not follow from the code: run `make metrics-docs`")


if __name__ == "__main__":
    main(sys.argv[1:])
