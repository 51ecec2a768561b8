"""Images on their way through a run: to the learner, beside kept episodes, and out of the queue."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from sample_runs import HashLearner, Life, Worker, play, run_config, station, suites

from farfield.trajectory.v1.trajectory_pb2 import EpisodeSpec, Trajectory
from farfield.types.v1.types_pb2 import Image, Message, Part
from farfield_kernel.images import Blobs, named_in
from farfield_kernel.queue.contract import Collected
from farfield_kernel.queue.memory import MemoryQueue
from farfield_kernel.trajectories import keep_images
from farfield_kernel.weights import Weights
from farfield_trainer.control import End

CARDS = [b"ace", b"king"]
BLOBS = {hashlib.sha256(card).hexdigest(): card for card in CARDS}
ACE, KING = BLOBS


def played(spec: EpisodeSpec, weights: Weights) -> Trajectory:
    """Shows a card that is a matter of the seed."""
    trajectory = play(spec, weights)
    image = Image(sha256=list(BLOBS)[spec.environment_seed % 2], media_type="image/png")
    trajectory.turns[0].messages.append(Message(parts=[Part(image=image)]))
    return trajectory


class Looking(HashLearner):
    """Fails where it is not given what the episodes show, and nothing else."""

    def update(self, trajectories: Sequence[Trajectory], blobs: Blobs) -> dict[str, float]:
        named = {digest for trajectory in trajectories for digest in named_in(trajectory)}
        assert named
        assert blobs == {digest: BLOBS[digest] for digest in named}
        return super().update(trajectories, blobs)


async def test_the_learner_sees_what_the_episodes_show(tmp_path: Path) -> None:
    queue = MemoryQueue()
    async with Worker(queue, played, blobs=BLOBS).working():
        life = Life(run_config(), tmp_path / "r", station(queue, make_learner=Looking))
        assert await life.live() is End.FINISHED
    assert "r" not in queue._runs


class Forgetful(MemoryQueue):
    """Loses all images before the first trajectories are delivered."""

    lost = 0

    def _collect(self, run: Any, count: int) -> list[Collected]:
        if not self.lost:
            self.lost = len(run.trajectories)
            run.blobs.clear()
        return super()._collect(run, count)


async def test_an_episode_whose_image_is_lost_is_played_again(tmp_path: Path) -> None:
    queue = Forgetful()
    async with Worker(queue, played, blobs=BLOBS).working() as worker:
        parts = {"make_learner": Looking, "replan_seconds": 0.05}
        life = Life(run_config(), tmp_path / "r", station(queue, **parts))
        assert await life.live() is End.FINISHED
    assert queue.lost
    assert len(worker.played) == 16 + queue.lost
    assert len(set(worker.played)) == 16
    assert json.loads((life.folder / "summary.json").read_text())["trained_exactly_once"]


async def test_kept_episodes_have_their_images_beside_them(tmp_path: Path) -> None:
    queue = MemoryQueue()
    evaluation = {"suites": suites(id=3, ood=4), "every": 4}
    async with Worker(queue, played, blobs=BLOBS).working():
        life = Life(run_config(evaluation=evaluation), tmp_path / "r", station(queue))
        await life.live()
    kept = {path.name: path.read_bytes() for path in (life.folder / "episodes" / "blobs").iterdir()}
    assert kept == {f"{digest}.png": card for digest, card in BLOBS.items()}
    assert len(list((life.folder / "episodes").glob("*/*.json"))) == 4


@pytest.mark.parametrize("torn", [b"", b"ac"])
def test_an_image_is_written_once_and_whole(tmp_path: Path, torn: bytes) -> None:
    trajectory = played(EpisodeSpec(), Weights("r", 0, "d", "/w"))
    path = tmp_path / f"{ACE}.png"
    path.write_bytes(torn)
    keep_images(tmp_path, [trajectory], BLOBS)
    assert path.read_bytes() == b"ace"
    before = path.stat().st_mtime_ns
    keep_images(tmp_path, [trajectory, trajectory], BLOBS)
    assert path.stat().st_mtime_ns == before
    assert list(tmp_path.iterdir()) == [path]
