import pytest
from sample_runs import run_config, sft_config, suites

from farfield.trajectory.v1.trajectory_pb2 import EpisodeSpec, Trajectory
from farfield_kernel.queue.contract import Collected
from farfield_trainer.ledger import Ledger, digest_of
from farfield_trainer.planning import evaluation_episodes, training_episodes
from farfield_trainer.progress import Progress
from farfield_trainer.reporting.summary import planned_episodes, trained_exactly_once

CONFIG = run_config(evaluation={"suites": suites(ood=3)})


def consumed(ledger: Ledger, specs: list[EpisodeSpec]) -> None:
    for spec in specs:
        ledger.take(Collected(spec.episode_id, Trajectory(spec=spec)))
    ledger.consume(specs)


@pytest.fixture
def progress() -> Progress:
    """Of a run with two updates and the base's evaluation behind it."""
    progress = Progress(update=2)
    for update in (0, 1):
        consumed(progress.ledger, training_episodes("r", CONFIG, update))
    consumed(progress.ledger, evaluation_episodes("r", CONFIG, "ood", 0))
    return progress


def test_a_sound_record(progress: Progress) -> None:
    assert trained_exactly_once("r", CONFIG, progress)


def test_an_update_without_episodes(progress: Progress) -> None:
    progress.update = 3
    assert not trained_exactly_once("r", CONFIG, progress)


def test_episodes_without_an_update(progress: Progress) -> None:
    progress.update = 1
    assert not trained_exactly_once("r", CONFIG, progress)


def test_other_episodes_than_planned(progress: Progress) -> None:
    more = run_config(batch={"groups": 3, "group_size": 2}, evaluation=CONFIG.evaluation)
    assert not trained_exactly_once("r", more, progress)


def test_an_episode_twice_is_another_digest() -> None:
    assert digest_of(["a", "b"]) == digest_of(["b", "a"])
    assert digest_of(["a", "b"]) != digest_of(["a", "b", "b"])


def test_planned_episodes() -> None:
    assert planned_episodes(run_config(updates=9), 3) == 16
    assert planned_episodes(run_config(updates=9, max_staleness=2), 3) == 24
    assert planned_episodes(run_config(updates=9, max_staleness=2), 9) == 36
    assert planned_episodes(sft_config(), 3) == 0
