"""What the service counts, with each plugin's label looked up once."""

from farfield_kernel import metrics
from farfield_kernel.hosted import FAULTS

_sessions = metrics.gauge("environment_sessions", "Sessions alive.", ("plugin",))
_episodes = metrics.counter(
    "environment_episodes_total", "Episodes that ended, by how.", ("plugin", "outcome")
)
_seconds = metrics.histogram("environment_step_seconds", "Time of a plugin's step.", ("plugin",))
_failures = metrics.counter(
    "environment_failures_total",
    "Plugins that raised, hung, crashed or answered nonsense.",
    ("plugin", "kind"),
)
_restores = metrics.counter("environment_restores_total", "Sessions rebuilt by replay.", ("plugin", "result"))
_replays = metrics.counter("environment_replays_total", "Steps answered from the stored answer.", ("plugin",))
_expired = metrics.counter(
    "environment_leases_expired_total", "Sessions that nobody called in time.", ("plugin",)
)
images = metrics.gauge("environment_images", "Images of living sessions that are held.")
_batches = metrics.histogram(
    "environment_batch_sessions",
    "Sessions that a batched plugin was asked for in one call.",
    ("plugin", "call"),
    buckets=metrics.POWERS,
)
_slow = metrics.counter(
    "environment_loop_blocked_total", "Calls in which an inline plugin kept the event loop.", ("plugin",)
)

CALLS = ("reset_many", "step_many")
OUTCOMES = ("success", "failure", "truncated")


class Meters:
    """One plugin's."""

    def __init__(self, plugin: str) -> None:
        self.sessions = _sessions.labels(plugin)
        self.seconds = _seconds.labels(plugin)
        self.replays = _replays.labels(plugin)
        self.expired = _expired.labels(plugin)
        self.restored = _restores.labels(plugin, "ok")
        self.restore_failed = _restores.labels(plugin, "failed")
        self.batches = {call: _batches.labels(plugin, call) for call in CALLS}
        self.slow = _slow.labels(plugin)
        self.failures = {kind: _failures.labels(plugin, kind) for kind in FAULTS}
        self.episodes = {outcome: _episodes.labels(plugin, outcome) for outcome in OUTCOMES}
