"""What rank 0 tells the others, as bytes: a head in JSON and parts that are bytes already."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from farfield.trajectory.v1.trajectory_pb2 import Trajectory
from farfield_kernel.images import Blobs
from farfield_model.chat import Content
from farfield_model.images import ImageFile
from farfield_trainer.learning.sft import SupervisedSample
from farfield_trainer.parallel.config import Kind
from farfield_trainer.run_config import RunConfig
from farfield_trainer.sources import Learner

ALIVE, OPEN, STOP = "alive", "open", "stop"
_HEAD_BYTES = 8


@dataclass(frozen=True, slots=True)
class Command:
    what: str
    said: dict[str, Any] = field(default_factory=dict)
    parts: Sequence[bytes] = ()

    def encoded(self) -> bytes:
        head = json.dumps([self.what, self.said, [len(part) for part in self.parts]]).encode()
        return b"".join([len(head).to_bytes(_HEAD_BYTES, "big"), head, *self.parts])

    @classmethod
    def decoded(cls, data: bytes) -> "Command":
        start = _HEAD_BYTES + int.from_bytes(data[:_HEAD_BYTES], "big")
        what, said, sizes = json.loads(data[_HEAD_BYTES:start])
        parts = []
        for size in sizes:
            parts.append(data[start : start + size])
            start += size
        return cls(what, said, parts)


def opening(run: RunConfig, kind: Kind) -> Command:
    return Command(OPEN, {"run": run.model_dump(mode="json"), "kind": kind})


def opened(command: Command) -> tuple[RunConfig, Kind]:
    return RunConfig.model_validate(command.said["run"]), command.said["kind"]


def update(trajectories: Sequence[Trajectory], blobs: Blobs) -> Command:
    parts = [item.SerializeToString() for item in trajectories]
    return Command("update", {"images": list(blobs)}, [*parts, *blobs.values()])


def fit(demonstrations: Sequence[SupervisedSample]) -> Command:
    images: dict[str, bytes] = {}
    samples = [
        [[(role, _content(content, images)) for role, content in sample.messages], list(sample.weights)]
        for sample in demonstrations
    ]
    return Command("fit", {"samples": samples, "images": list(images)}, list(images.values()))


def with_folder(what: str, folder: Path) -> Command:
    """`save`, `load` and `save_pretrained`."""
    return Command(what, {"folder": str(folder)})


def obey(command: Command, learner: Learner) -> None:
    """Does to a follower's learner what was done to the commander's."""
    images = command.said.get("images", [])
    blobs = dict(zip(images, command.parts[len(command.parts) - len(images) :], strict=True))
    match command.what:
        case "update":
            told = command.parts[: len(command.parts) - len(images)]
            learner.update([Trajectory.FromString(part) for part in told], blobs)
        case "fit":
            learner.fit([_sample(said, blobs) for said in command.said["samples"]])
        case "save" | "load" | "save_pretrained":
            getattr(learner, command.what)(Path(command.said["folder"]))
        case _:
            raise ValueError(f"no such command: {command.what}")


def _content(content: Content, images: dict[str, bytes]) -> Any:
    """Text as it is; images by name, each of their bytes once."""
    if isinstance(content, str):
        return content
    images |= {part.sha256: part.data for part in content if isinstance(part, ImageFile)}
    return [{"image": part.sha256} if isinstance(part, ImageFile) else part for part in content]


def _sample(said: tuple[list[Any], list[float]], blobs: Blobs) -> SupervisedSample:
    messages, weights = said
    return SupervisedSample([(role, _shown(content, blobs)) for role, content in messages], weights)


def _shown(content: Any, blobs: Blobs) -> Content:
    if isinstance(content, str):
        return content
    return tuple(
        part if isinstance(part, str) else ImageFile(part["image"], blobs[part["image"]]) for part in content
    )
