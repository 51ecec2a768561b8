"""What the service counts, with each plugin's label looked up once."""

from farfield_kernel import metrics
from farfield_kernel.hosted import FAULTS

_seconds = metrics.histogram("verifier_verdict_seconds", "Time of a plugin's verdict.", ("plugin",))
_verdicts = metrics.counter("verifier_verdicts_total", "Verdicts given.", ("plugin", "correct"))
_failures = metrics.counter(
    "verifier_failures_total", "Plugins that raised, hung, crashed or answered nonsense.", ("plugin", "kind")
)
_batches = metrics.histogram(
    "verifier_batch_attempts",
    "Attempts that a plugin was asked for in one go.",
    ("plugin",),
    buckets=metrics.POWERS,
)
_split = metrics.counter(
    "verifier_batches_split_total", "Batches that failed and were judged one by one.", ("plugin",)
)
_slow = metrics.counter(
    "verifier_loop_blocked_total", "Calls in which an inline plugin kept the event loop.", ("plugin",)
)


class Meters:
    """One plugin's."""

    def __init__(self, plugin: str) -> None:
        self.seconds = _seconds.labels(plugin)
        self.correct = _verdicts.labels(plugin, "true")
        self.incorrect = _verdicts.labels(plugin, "false")
        self.batch = _batches.labels(plugin)
        self.split = _split.labels(plugin)
        self.slow = _slow.labels(plugin)
        self.failures = {kind: _failures.labels(plugin, kind) for kind in FAULTS}
