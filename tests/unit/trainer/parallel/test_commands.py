from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sample_crews import sft_run

from farfield.trajectory.v1.trajectory_pb2 import Trajectory
from farfield_model.images import ImageFile
from farfield_trainer.learning.sft import SupervisedSample
from farfield_trainer.parallel import commands
from farfield_trainer.parallel.commands import Command


class Hearing:
    """A learner that keeps what it was told."""

    parameters = tokens_trained = 0

    def __init__(self) -> None:
        self.told: list[Any] = []

    def update(self, *told: Any) -> dict[str, float]:
        self.told.append(told)
        return {}

    def fit(self, told: Any) -> dict[str, float]:
        self.told.append(told)
        return {}

    def save(self, folder: Path) -> None:
        self.told.append(("save", folder))

    def load(self, folder: Path) -> None:
        self.told.append(("load", folder))

    def save_pretrained(self, folder: Path) -> None:
        self.told.append(("save_pretrained", folder))


def heard(command: Command) -> Any:
    learner = Hearing()
    commands.obey(Command.decoded(command.encoded()), learner)
    return learner.told[0]


def test_what_is_told_is_what_is_heard(make_episode: Callable[..., Trajectory]) -> None:
    episodes = [make_episode(([3], [4, 5], 0.1), name="é"), make_episode(([6], [7], None))]
    assert heard(commands.update(episodes, {"a": b"\0\1", "b": b""})) == (episodes, {"a": b"\0\1", "b": b""})
    assert heard(commands.update([], {})) == ([], {})


def test_demonstrations_keep_their_images_and_weights() -> None:
    one, other = ImageFile.of(b"one"), ImageFile.of(b"other")
    samples = [
        SupervisedSample([("user", (one, "what?", other)), ("assistant", "that")], [0.15]),
        SupervisedSample([("user", ("again", one)), ("assistant", "this")], []),
        SupervisedSample([("system", "s"), ("user", "u"), ("assistant", "a")], []),
    ]
    command = commands.fit(samples)
    assert len(command.parts) == 2
    assert heard(command) == samples


@pytest.mark.parametrize("what", ["save", "load", "save_pretrained"])
def test_folders(what: str) -> None:
    assert heard(commands.with_folder(what, Path("/runs/r"))) == (what, Path("/runs/r"))


def test_a_run_is_opened_with_its_config() -> None:
    run = sft_run(Path("base"), micro_batch_tokens=7)
    assert commands.opened(Command.decoded(commands.opening(run, "fsdp2").encoded())) == (run, "fsdp2")
