import pytest
from sample_runs import run_config, sft_config, suites

from farfield_kernel.errors import InvalidArgument
from farfield_trainer import planning

HALF = 2**47


def test_planning_again_gives_the_same_bytes() -> None:
    config = run_config()
    again = type(config).model_validate_json(config.model_dump_json())
    one = [spec.SerializeToString(deterministic=True) for spec in planning.training_episodes("r", config, 3)]
    other = [spec.SerializeToString(deterministic=True) for spec in planning.training_episodes("r", again, 3)]
    assert one == other


def test_ids_and_groups() -> None:
    specs = planning.training_episodes("r", run_config(), 12)
    assert [spec.episode_id for spec in specs][-1] == "r/train/000012/0003"
    assert [spec.index for spec in specs] == [0, 1, 2, 3]
    assert specs[0].group == specs[1].group != specs[2].group
    assert specs[0].environment_seed == specs[1].environment_seed != specs[2].environment_seed
    assert len({spec.sampling_seed for spec in specs}) == 4
    assert all(spec.policy_version == 12 and spec.update == 12 for spec in specs)
    assert planning.lot_of(specs[0].episode_id) == planning.train_lot("r", 12)


def test_updates_and_run_seeds_play_other_episodes() -> None:
    plans = [planning.training_episodes("r", run_config(seed=seed), u) for seed in (0, 1) for u in range(50)]
    seeds = [spec.environment_seed for specs in plans for spec in specs]
    assert len(set(seeds)) == len(seeds) / 2  # groups of two


def test_evaluation_is_paired_over_versions_runs_and_branches() -> None:
    suite = {"suites": suites(ood=5)}
    one = planning.evaluation_episodes("rl", run_config(evaluation=suite, seed=1), "ood", 0)
    other = planning.evaluation_episodes("sft", sft_config(evaluation=suite, seed=2), "ood", 7)
    assert [s.environment_seed for s in one] == [s.environment_seed for s in other]
    assert [s.sampling_seed for s in one] == [s.sampling_seed for s in other]
    assert {s.policy_version for s in other} == {7}
    assert not {s.episode_id for s in one} & {s.episode_id for s in other}


def test_training_never_deals_what_evaluation_deals() -> None:
    config = run_config(evaluation={"suites": suites(ood=500)})
    trained = {s.environment_seed for u in range(50) for s in planning.training_episodes("r", config, u)}
    demonstrated = [planning.demonstration_seed(sft_config(seed=seed), 10**6) for seed in range(100)]
    evaluated = {s.environment_seed for s in planning.evaluation_episodes("r", config, "ood", 0)}
    assert max(trained) < HALF
    assert max(demonstrated) < HALF
    assert min(evaluated) >= HALF
    assert max(evaluated) < 2 * HALF
    assert len(evaluated) == 500


def test_demonstrations_are_consecutive() -> None:
    config = sft_config()
    assert planning.demonstration_seed(config, 1) == planning.demonstration_seed(config, 0) + 3


def test_admission() -> None:
    assert list(planning.planned_ahead(run_config(updates=9), 3)) == [3]
    assert list(planning.planned_ahead(run_config(updates=9, max_staleness=2), 3)) == [3, 4, 5]
    assert list(planning.planned_ahead(run_config(updates=4, max_staleness=2), 3)) == [3]
    assert list(planning.planned_ahead(run_config(updates=4), 4)) == []


@pytest.mark.parametrize(
    ("choice", "due"),
    [
        ({}, [0, 4]),
        ({"every": 2}, [0, 2, 4]),
        ({"every": 3, "at_start": False}, [3, 4]),
        ({"every": 3, "at_end": False}, [0, 3]),
    ],
)
def test_when_evaluations_are_due(choice: dict, due: list[int]) -> None:
    config = run_config(evaluation={"suites": suites(id=1), **choice})
    assert [version for version in range(5) if planning.evaluation_due(config, version)] == due
    assert not planning.evaluation_due(run_config(evaluation=choice), 0)


def test_sft_publishes_what_is_evaluated_and_the_last() -> None:
    config = sft_config(updates=5, evaluation={"suites": suites(id=1), "every": 2})
    assert [v for v in range(6) if planning.is_published(config, v)] == [0, 2, 4, 5]
    assert planning.published_before(config, 5) == 4
    assert planning.published_before(config, 2) == 0
    assert planning.published_before(config, 0) is None
    assert planning.published_before(run_config(), 3) == 2
    kept = sft_config(updates=5, keep_versions=[1])
    assert [v for v in range(6) if planning.is_published(kept, v)] == [1, 5]


@pytest.mark.parametrize("run_id", ["", "a/b", "-a", "ä", "a" * 65])
def test_run_ids_that_cannot_be_folders(run_id: str) -> None:
    with pytest.raises(InvalidArgument, match="run id"):
        planning.check_run_id(run_id)
