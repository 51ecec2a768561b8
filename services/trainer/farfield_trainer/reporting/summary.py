"""The record of a run in numbers: counts for its reports, and `summary.json` at its end."""

from typing import Any

from farfield_trainer import planning
from farfield_trainer.ledger import digest_of
from farfield_trainer.progress import Progress
from farfield_trainer.reporting.compute import Compute
from farfield_trainer.run_config import RunConfig


def planned_episodes(config: RunConfig, update: int) -> int:
    """Training episodes planned by the time that `update` is next."""
    if config.batch is None or config.algorithm.kind != "rl":
        return 0
    ahead = planning.planned_ahead(config, update)
    return config.batch.episodes * max(update, ahead.stop)


def counts(config: RunConfig, progress: Progress) -> dict[str, float]:
    """Training episodes so far, by what became of them."""
    train = progress.ledger.totals("train")
    return {
        "episodes_planned_total": float(planned_episodes(config, progress.update)),
        "episodes_trained_total": float(train.graded),
        "episodes_failed_total": float(train.failed),
        "episodes_duplicates_total": float(progress.ledger.duplicates),
    }


def trained_exactly_once(run_id: str, config: RunConfig, progress: Progress) -> bool:
    """Audits the ledger against the plan, made anew: every update so far consumed its episodes, all of
    them, each once, and nothing else; and so did every evaluation that is reported."""
    lots, planned = progress.ledger.lots, {}
    if config.algorithm.kind == "rl" and config.batch:
        for update in range(progress.update):
            planned[planning.train_lot(run_id, update)] = config.batch.episodes
    for name, suite in config.evaluation.suites.items():
        for version in range(progress.update + 1):
            lot = planning.evaluation_lot(run_id, name, version)
            if lot in lots:
                planned[lot] = suite.episodes
    return lots.keys() == planned.keys() and all(
        lots[lot].digest == digest_of(planning.ids_of(lot, episodes)) for lot, episodes in planned.items()
    )


def summarized(run_id: str, config: RunConfig, progress: Progress, compute: Compute) -> dict[str, Any]:
    train, evaluated = progress.ledger.totals("train"), progress.ledger.totals("eval")
    return {
        "run_id": run_id,
        "algorithm": config.algorithm.kind,
        "updates": progress.update,
        "episodes": {
            "planned": planned_episodes(config, progress.update),
            "trained": train.graded,
            "failed": train.failed,
            "evaluated": evaluated.graded,
            "evaluated_failed": evaluated.failed,
            "duplicates": progress.ledger.duplicates,
        },
        "failures": {"train": dict(train.failures), "eval": dict(evaluated.failures)},
        "turns": {"trained": train.turns, "evaluated": evaluated.turns},
        "demonstrations": progress.demonstrations,
        "trained_exactly_once": trained_exactly_once(run_id, config, progress),
        "compute": {"parameters": compute.parameters, **compute.metrics()},
        "seconds": dict(progress.phases.totals),
    }
