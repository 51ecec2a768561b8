"""Writes the Grafana dashboards, `helm/farfield/dashboards/*.json`: one dashboard a file.

`--check` writes nothing and fails when one of them is not what it should be.
"""

import sys
from pathlib import Path

from boards import Board, Line, Row, graph, level, of_run, quantiles, rate

FOLDER = Path(__file__).resolve().parents[1] / "farfield" / "dashboards"

_PHASES = Line(
    "sum by (phase) (rate(farfield_trainer_phase_seconds_sum{N}[$__rate_interval])) / on () group_left "
    'sum(rate(farfield_trainer_phase_seconds_count{N, phase="train"}[$__rate_interval]))',
    "{{phase}}",
)

TRAINING = Board(
    "farfield-training",
    "Farfield / Training",
    "What a run learns, and whether its numbers are sound.",
    by_run=True,
    rows=(
        Row(
            "Learning",
            of_run("Reward of a turn", "short", "reward_mean"),
            of_run("Success in training", "percentunit", "success_rate"),
            graph(
                "Success on suites, in and out of distribution",
                "percentunit",
                level("trainer_eval_success", legend="{{run}} {{suite}}", where="{R}"),
                text="At the version last evaluated.",
            ),
            of_run("Loss", "short", "loss", "policy_loss", "value_loss"),
            of_run("Updates", "short", "update", "updates_planned"),
            of_run("Learning rate", "sci", "learning_rate"),
        ),
        Row(
            "Policy",
            of_run("Divergence from the reference", "short", "kl", text="Nats a token."),
            of_run("Entropy", "short", "entropy", text="Nats a token."),
            of_run("Clipped terms", "percentunit", "clip_fraction"),
            of_run("Gradient norm", "short", "grad_norm"),
            of_run("Largest ratio to the old policy", "short", "ratio_max"),
            of_run("Spread of the advantages", "short", "advantage_std"),
        ),
        Row(
            "Off policy",
            of_run(
                "Mismatch of engine and trainer", "short", "mismatch_k1", "mismatch_k3", text="Nats a token."
            ),
            of_run("Largest ratio of trainer to engine", "short", "mismatch_ratio_max"),
            of_run("Terms masked by the correction", "percentunit", "correction_masked"),
            of_run(
                "Age of the tokens in versions", "short", "staleness_mean", "staleness_max", "staleness_bound"
            ),
            graph(
                "Updates with numbers that are not finite", "short", rate("trainer_nonfinite_total", "what")
            ),
        ),
        Row(
            "Time and tokens",
            graph("Seconds of an update by phase", "s", _PHASES),
            graph("Tokens a second", "short", rate("trainer_tokens", "run", "what", where="{R}")),
            graph("Episodes of the run", "short", level("trainer_episodes", "run", "state", where="{R}")),
            graph("Checkpoints", "s", *quantiles("trainer_checkpoint_seconds", "namespace")),
        ),
    ),
)

ROLLOUTS = Board(
    "farfield-rollouts",
    "Farfield / Rollouts and queue",
    "What is planned, who plays it, and how it ends.",
    rows=(
        Row(
            "Queue",
            graph("Episodes by where they are", "short", level("queue_episodes", "lane", "state")),
            graph("Oldest plan", "s", level("queue_oldest_seconds", "lane")),
            graph(
                "Memory of Redis",
                "bytes",
                level("queue_memory_bytes", "lane", legend="used"),
                level("queue_memory_limit_bytes", "lane", legend="limit"),
            ),
        ),
        Row(
            "Episodes",
            graph("Episodes a second", "short", rate("rollout_episodes_total", "purpose", "outcome")),
            graph("Without a grade, by why", "short", rate("rollout_failures_total", "failure")),
            graph(
                "Being played",
                "short",
                level("rollout_episodes_in_flight", "namespace", legend="played"),
                level("rollout_concurrency", "namespace", legend="room"),
            ),
            graph(
                "Turns and tokens a second",
                "short",
                rate("rollout_turns_total", legend="turns"),
                rate("rollout_tokens_total", legend="tokens"),
            ),
            graph("Time of a call by phase", "s", *quantiles("rollout_seconds", "phase")),
            graph("Calls made again", "short", rate("rollout_retries_total", "stage", "error")),
        ),
        Row(
            "Losses and images",
            graph(
                "Played in vain",
                "short",
                rate("rollout_abandoned_total", "reason"),
                rate("rollout_duplicates_total", legend="committed by another"),
                rate("rollout_restores_total", legend="sessions restored"),
            ),
            graph(
                "Images a second",
                "short",
                rate("rollout_images_total", "source"),
                rate("rollout_image_evictions_total", legend="dropped"),
            ),
            graph("Images kept by workers", "bytes", level("rollout_image_cache_bytes", "namespace")),
        ),
    ),
)

SERVICES = Board(
    "farfield-services",
    "Farfield / Services and plugins",
    "Calls, errors and latency of every service; sessions, failures and speed of every plugin.",
    rows=(
        Row(
            "Calls",
            graph("Calls a second", "short", rate("rpc_total", "method")),
            graph(
                "Calls a second that were refused or failed",
                "short",
                rate("rpc_total", "method", "code", where='{N, code!~"OK|CANCELLED"}'),
            ),
            graph("Time of a call", "s", *quantiles("rpc_seconds", "method", '{N, code="OK"}')),
        ),
        Row(
            "Environments",
            graph("Sessions alive", "short", level("environment_sessions", "plugin")),
            graph("Time of a step", "s", *quantiles("environment_step_seconds", "plugin")),
            graph("Failures", "short", rate("environment_failures_total", "plugin", "kind")),
            graph("Episodes a second", "short", rate("environment_episodes_total", "plugin", "outcome")),
            graph(
                "Sessions restored and lost, steps answered again",
                "short",
                rate("environment_restores_total", "plugin", "result", legend="restored"),
                rate("environment_leases_expired_total", "plugin", legend="expired"),
                rate("environment_replays_total", "plugin", legend="answered again"),
            ),
            graph("Images held", "short", level("environment_images", "namespace")),
        ),
        Row(
            "Verifiers",
            graph("Verdicts a second", "short", rate("verifier_verdicts_total", "plugin", "correct")),
            graph("Time of a verdict", "s", *quantiles("verifier_verdict_seconds", "plugin")),
            graph("Failures", "short", rate("verifier_failures_total", "plugin", "kind")),
        ),
        Row(
            "Processes",
            graph("Memory", "bytes", Line("process_resident_memory_bytes{N}", "{{instance}}")),
            graph(
                "CPU", "short", Line("rate(process_cpu_seconds_total{N}[$__rate_interval])", "{{instance}}")
            ),
            graph("Open files", "short", Line("process_open_fds{N}", "{{instance}}")),
        ),
    ),
)

POLICY = Board(
    "farfield-policy",
    "Farfield / Policy engine",
    "How fast the policy generates, what it has to wait for, and which weights it serves.",
    rows=(
        Row(
            "Generation",
            graph("Tokens a second", "short", rate("policy_tokens_total", "instance")),
            graph(
                "Rows of the batch, and prompts that wait",
                "short",
                level("policy_running", legend="{{instance}} running"),
                level("policy_queued", legend="{{instance}} waiting"),
                level("policy_rows", legend="{{instance}} rows"),
            ),
            graph("From prompt to result", "s", *quantiles("policy_request_seconds", "instance")),
            graph("Responses a second by how they ended", "short", rate("policy_responses_total", "reason")),
            graph(
                "Prompt tokens a second",
                "short",
                rate("policy_prompt_tokens_total", legend="all"),
                rate("policy_reused_tokens_total", legend="reused"),
            ),
        ),
        Row(
            "Weights",
            graph(
                "Version by replica",
                "short",
                level("policy_weight_version", legend="{{instance}} {{run}}"),
                level("trainer_weight_version", legend="published {{run}}"),
            ),
            graph("Loading", "s", *quantiles("policy_load_seconds", "instance")),
            graph("Decoding stands still for a swap", "s", *quantiles("policy_swap_seconds", "instance")),
            graph(
                "Announced weights that could not be loaded",
                "short",
                rate("policy_torn_weights_total", "instance"),
            ),
        ),
        Row(
            "What is kept",
            graph("Tokens of kept prefixes", "short", level("policy_prefix_tokens")),
            graph("Bytes of kept images", "bytes", level("policy_image_cache_bytes")),
            graph(
                "Found, read and dropped",
                "short",
                rate("policy_images_total", "source", legend="images"),
                rate("policy_image_evictions_total", legend="images dropped"),
                rate("policy_prefix_evictions_total", legend="prefixes dropped"),
            ),
        ),
    ),
)

BOARDS = (TRAINING, ROLLOUTS, SERVICES, POLICY)


def main(arguments: list[str]) -> None:
    files = {FOLDER / f"{board.uid.removeprefix('farfield-')}.json": board.json() for board in BOARDS}
    stale = [path for path, text in files.items() if not path.exists() or path.read_text() != text]
    stray = sorted(set(FOLDER.glob("*.json")) - files.keys())
    if "--check" in arguments:
        if stale or stray:
            names = ", ".join(path.name for path in [*stale, *stray])
            sys.exit(
                f"{names} of helm/farfield/dashboards do not follow from helm/monitoring: `make dashboards`"
            )
        return
    for path in stale:
        path.write_text(files[path])
    for path in stray:
        path.unlink()


if __name__ == "__main__":
    main(sys.argv[1:])
