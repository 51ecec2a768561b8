"""What the service counts, with each plugin's label looked up once."""

from farfield_kernel import metrics

_seconds = metrics.histogram("verify_seconds", "Time of a plugin's verdict.", ("plugin",))
_verdicts = metrics.counter("verdicts_total", "Verdicts given.", ("plugin", "correct"))
_failures = metrics.counter(
    "verifier_failures_total", "Plugins that raised, hung, crashed or answered nonsense.", ("plugin", "kind")
)

KINDS = ("raised", "timeout", "crashed", "invalid")


class Meters:
    """One plugin's."""

    def __init__(self, plugin: str) -> None:
        self.seconds = _seconds.labels(plugin)
        self.correct = _verdicts.labels(plugin, "true")
        self.incorrect = _verdicts.labels(plugin, "false")
        self.failures = {kind: _failures.labels(plugin, kind) for kind in KINDS}
