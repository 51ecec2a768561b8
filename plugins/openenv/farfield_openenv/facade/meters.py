"""The facade's metrics."""

from typing import Any

from farfield_kernel import metrics

connections = metrics.gauge("openenv_connections", "Clients that are connected.")
_answers = metrics.counter(
    "openenv_answers_total", "Answers, by what they are: a type or a code.", ("answer",)
)


def count(answer: dict[str, Any]) -> None:
    kind = answer["type"]
    _answers.labels(answer["data"]["code"] if kind == "error" else kind).inc()
