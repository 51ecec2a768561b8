"""What plays an episode: staleness, evaluations, and which versions are kept for them."""

import json
from pathlib import Path
from typing import Any

from sample_places import EVALUATED, Place, summary, unbroken
from sample_runs import (
    LANE,
    Life,
    Worker,
    play,
    run_config,
    sft_config,
    station,
)

from farfield.trajectory.v1.trajectory_pb2 import EpisodeSpec, Trajectory
from farfield_kernel.queue.memory import MemoryQueue
from farfield_kernel.weights import Weights
from farfield_trainer.control import End
from farfield_trainer.demonstrations import Demonstrations


async def test_bounded_staleness_plans_ahead_within_the_bound(place: Place) -> None:
    planned: list[int] = []

    class Admission(MemoryQueue):
        async def plan(self, run_id: str, specs: Any) -> int:
            new = await super().plan(run_id, specs)
            backlog = await self.backlog(run_id)
            planned.append(backlog.queued + backlog.claimed)
            return new

    queue = Admission()
    async with Worker(queue).working():
        life = Life(run_config(max_staleness=1, updates=6), place.folder / "r", station(queue))
        await life.live()
    assert max(planned) <= 8
    ages = [line.metrics["staleness_max"] for line in life.lines("update")]
    assert max(ages) <= 1
    assert summary(life)["trained_exactly_once"]


async def test_evaluations_play_the_same_starts_at_each_version_with_its_weights(place: Place) -> None:
    seen: dict[tuple[str, int], set[tuple[int, int]]] = {}

    def record(spec: EpisodeSpec, weights: Weights) -> Trajectory:
        if spec.suite:
            assert weights.version == spec.policy_version
            seen.setdefault((spec.suite, weights.version), set()).add((spec.environment_seed, spec.index))
        return play(spec, weights)

    place.worker.play = record
    life = place.life(run_config(evaluation=EVALUATED))
    await life.live()
    assert {version for _, version in seen} == {0, 2, 4}
    assert seen["ood", 0] == seen["ood", 2] == seen["ood", 4]
    lines = life.lines("eval")
    assert [(line.update, line.suite) for line in lines] == [(v, s) for v in (0, 2, 4) for s in ("id", "ood")]
    assert lines[0].metrics["episodes"] == 3
    assert lines[0].metrics["compute"] == 0
    assert lines[2].metrics["compute"] > 0
    kept = json.loads((life.folder / "episodes" / "ood" / "000004.json").read_text())
    assert len(kept) == 2


async def test_a_run_without_updates_evaluates_its_base(place: Place) -> None:
    life = place.life(
        sft_config(updates=0, demonstrations=None, evaluation=EVALUATED),
        make_demonstrations=lambda _: Demonstrations(None, sft_config()),
    )  # type: ignore[arg-type]
    assert await life.live() is End.FINISHED
    assert [line.suite for line in life.lines("eval")] == ["id", "ood"]
    for suite, size in EVALUATED["suites"].items():
        outcomes = json.loads((life.folder / "outcomes" / suite / "000000.json").read_text())["episodes"]
        assert [one["index"] for one in outcomes] == list(range(size["episodes"]))


async def test_old_weights_go(place: Place) -> None:
    life = place.life(run_config(updates=6))
    await life.live()
    assert sorted(folder.name for folder in (life.folder / "weights").iterdir()) == ["000005", "000006"]


async def test_versions_to_be_kept_stay(place: Place) -> None:
    life = place.life(run_config(updates=6, keep_versions=[0, 2]))
    await life.live()
    kept = sorted(folder.name for folder in (life.folder / "weights").iterdir())
    assert kept == ["000000", "000002", "000005", "000006"]


async def test_weights_in_an_object_store_outlive_a_kill(place: Place, tmp_path: Path) -> None:
    url, config = (tmp_path / "bucket").as_uri(), run_config(evaluation=EVALUATED)
    expected = await unbroken(tmp_path / "unbroken", config)
    await place.life(config, weights=url).killed_at(2, "eval")
    life = place.life(config, weights=url)
    assert await life.live() is End.FINISHED
    published = tmp_path / "bucket" / "r"
    assert (published / "000004" / "model.bin").read_text() == expected.history
    assert (await place.queue.weights(LANE)).path == f"{url}/r/000004"  # type: ignore[union-attr]
    assert summary(life)["weights"] == f"{url}/r/000004"
    assert sorted(item.name for item in published.iterdir()) == ["000003", "000004"]
