"""The trainer's metrics. Those of a run carry its id, and are of the run that works or worked last."""

from farfield_kernel import metrics

FIGURES = {
    "reward_mean": "Mean reward of a turn.",
    "success_rate": "Share of episodes that the environment calls solved.",
    "loss": "Loss.",
    "policy_loss": "The surrogate's part of the loss.",
    "value_loss": "The critic's part of the loss.",
    "kl": "Divergence from the reference policy.",
    "entropy": "Entropy of the policy at the sampled tokens, in nats.",
    "clip_fraction": "Share of clipped terms.",
    "ratio_max": "Largest probability ratio of current to old policy.",
    "grad_norm": "Norm of the gradient before clipping.",
    "learning_rate": "Learning rate.",
    "mismatch_k1": "Divergence of engine and trainer on the same weights, estimator k1.",
    "mismatch_k3": "Divergence of engine and trainer on the same weights, estimator k3.",
    "mismatch_ratio_max": "Largest probability ratio between engine and trainer.",
    "correction_masked": "Share of terms that the importance correction masks.",
    "advantage_std": "Standard deviation of the advantages.",
    "staleness_mean": "Mean age of the tokens, in versions.",
    "staleness_max": "Largest age of a token, in versions.",
    "turns_masked": "Turns that were not trained on.",
    "response_tokens": "Tokens of the responses that were trained on.",
}
"""Figures of an update's report, and what they say of the last update."""

figures = {
    name: metrics.gauge(f"trainer_{name}", f"{text} Of the last update.", ("run",))
    for name, text in FIGURES.items()
}
update = metrics.gauge("trainer_update", "Updates done.", ("run",))
updates_planned = metrics.gauge("trainer_updates_planned", "Updates that the run is to do.", ("run",))
active = metrics.gauge("trainer_run_active", "1 while the run works, 0 when it is paused or over.", ("run",))
ended = metrics.counter("trainer_runs_ended_total", "Runs that ended, by how.", ("state",))
last_report = metrics.gauge(
    "trainer_last_report_timestamp_seconds",
    "When the run last began, updated, evaluated or saved.",
    ("run",),
)
weight_version = metrics.gauge("trainer_weight_version", "Version last published.", ("run",))
staleness_bound = metrics.gauge("trainer_staleness_bound", "Largest age that the run allows.", ("run",))
nonfinite = metrics.counter(
    "trainer_nonfinite_total",
    "Updates that left out a step for its gradient (step), or had figures (figure), that are not finite.",
    ("what",),
)
episodes = metrics.gauge(
    "trainer_episodes", "Training episodes so far, by what became of them.", ("run", "state")
)
tokens = metrics.gauge(
    "trainer_tokens",
    "Tokens of the run so far: through training passes (trained), read and written to play (played).",
    ("run", "what"),
)
compute = metrics.gauge("trainer_compute_flops", "The compute axis of the run so far.", ("run",))
eval_success = metrics.gauge(
    "trainer_eval_success", "Success on a suite at the version last evaluated.", ("run", "suite")
)
phase_seconds = metrics.histogram(
    "trainer_phase_seconds", "Seconds of an update by phase.", ("phase",), metrics.LONG_SECONDS
)
checkpoint_seconds = metrics.histogram(
    "trainer_checkpoint_seconds", "Time to write a checkpoint.", buckets=metrics.LONG_SECONDS
)

queue_up = metrics.gauge("queue_up", "1 where the trainer reaches the queue's store.", ("lane",))
queue_episodes = metrics.gauge(
    "queue_episodes",
    "Episodes of the lane's run: waiting for a worker (queued), being played (claimed), committed "
    "(uncollected), delivered and in no checkpoint yet (unacknowledged).",
    ("lane", "state"),
)
queue_oldest = metrics.gauge(
    "queue_oldest_seconds", "Age of the plan that has waited longest for its trajectory.", ("lane",)
)
queue_used = metrics.gauge("queue_memory_bytes", "Memory that the queue's store uses.", ("lane",))
queue_limit = metrics.gauge("queue_memory_limit_bytes", "Memory that it may use; 0: no limit.", ("lane",))
queue_evicted = metrics.gauge("queue_evicted_keys", "Keys that the store dropped to make room.", ("lane",))

_OF_ONE_RUN = (
    *figures.values(),
    update,
    updates_planned,
    active,
    last_report,
    weight_version,
    staleness_bound,
    episodes,
    tokens,
    compute,
    eval_success,
)

for _what in ("step", "figure"):
    nonfinite.labels(_what)  # a counter that first shows itself at 1 has no rate
for _state in ("succeeded", "failed", "stopped"):
    ended.labels(_state)


def forget_runs() -> None:
    """Another run begins: what was said of the one before is over."""
    for metric in _OF_ONE_RUN:
        metric.clear()
