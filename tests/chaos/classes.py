"""The classes of failures as a table: how the episode ends, what counts it, which alert it raises."""

from collections.abc import Iterable
from dataclasses import dataclass

from tests.chaos.alerting import Alert
from tests.chaos.faulty import NAME, REPLAYS_OTHERWISE, SESSION_LOST

RETRIES = 1
"""Of a worker, for calls that failed inside a service."""
BUDGET = 1 + RETRIES
"""Times that a fault may come over an episode."""


@dataclass(frozen=True, slots=True)
class Class:
    """`failure`: of the trajectory, where no retry cures it; empty where the episode is graded all the same.
    `counter` counts it with these labels; `alert` fires by itself, beside that of failed episodes."""

    fault: str
    failure: str
    counter: str
    labels: tuple[tuple[str, str], ...]
    alert: str = ""

    @property
    def alerts(self) -> list[Alert]:
        """Those of the counter's labels that the alert has, too."""
        of_episodes = [Alert("FarfieldEpisodesFail", {"failure": self.failure})] if self.failure else []
        kept = {name: value for name, value in self.labels if name in ("kind", "plugin")}
        return of_episodes + ([Alert(self.alert, kept)] if self.alert else [])


def _plugin(service: str, failure: str, kind: str, fault: str) -> Class:
    labels = (("kind", kind), ("plugin", NAME))
    return Class(
        fault, failure, f"farfield_{service}_failures_total", labels, f"Farfield{service.title()}Fails"
    )


def _environment(kind: str, fault: str) -> Class:
    return _plugin("environment", "environment", kind, fault)


def _verifier(kind: str, fault: str) -> Class:
    return _plugin("verifier", "not_graded", kind, fault)


OF_PLUGINS = (
    _environment("raised", "environment raises in reset"),
    _environment("raised", "environment raises in step"),
    _environment("timeout", "environment hangs"),
    _environment("crashed", "environment crashes"),
    _environment("memory", "environment takes too much memory"),
    _environment("invalid", "environment answers too much"),
    _environment("invalid", "environment's metric is not finite"),
    _verifier("raised", "verifier raises"),
    _verifier("timeout", "verifier hangs"),
    _verifier("crashed", "verifier crashes"),
    _verifier("memory", "verifier takes too much memory"),
    _verifier("invalid", "reward is NaN"),
    _verifier("invalid", "reward is infinite"),
    _verifier("invalid", "verdict is no verdict"),
)
"""Each may pass, so that a retry cures it, or last."""
OF_SESSIONS = (
    Class(SESSION_LOST, "", "farfield_environment_restores_total", (("plugin", NAME), ("result", "ok"))),
    Class(
        REPLAYS_OTHERWISE,
        "environment",
        "farfield_environment_restores_total",
        (("plugin", NAME), ("result", "failed")),
        "FarfieldRestoresFail",
    ),
)
"""The session is lost in mid-episode, and restored by replay."""

ANOTHER_VERSION = Class(
    "environment of another version",
    "invalid_spec",
    "farfield_rollout_failures_total",
    (("failure", "invalid_spec"),),
)
ANOTHER_CONTRACT = Class(
    "service of another contract",
    "environment",
    "farfield_rollout_failures_total",
    (("failure", "environment"),),
)
OTHER_WEIGHTS = Class(
    "weights that nobody serves", "policy", "farfield_rollout_failures_total", (("failure", "policy"),)
)
OF_PLANS = (ANOTHER_VERSION, ANOTHER_CONTRACT, OTHER_WEIGHTS)
"""Plans that those who are asked cannot play."""

CUT_OFF = Class(
    "response cut off",
    "",
    "farfield_policy_responses_total",
    (("reason", "length"),),
    "FarfieldResponsesCutOff",
)
STOPPED = Class(
    "a whole update fails",
    "not_graded",
    "farfield_trainer_runs_ended_total",
    (("state", "failed"),),
    "FarfieldRunFailed",
)

CLASSES = (*OF_PLUGINS, *OF_SESSIONS, *OF_PLANS, CUT_OFF, STOPPED)


def alerts_of(classes: Iterable[Class]) -> list[Alert]:
    return [alert for one in classes for alert in one.alerts]
