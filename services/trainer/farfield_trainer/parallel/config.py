"""How the processes that torchrun starts share a model. Knows no torch."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from farfield_kernel.config import Config
from farfield_kernel.errors import FailedPrecondition, FarfieldError, InvalidArgument

Kind = Literal["ddp", "fsdp2"]


class ParallelConfig(Config):
    """Takes effect where torchrun starts more than one process."""

    kind: Literal["auto", "ddp", "fsdp2"] = "auto"
    """ddp: every process holds the whole model. fsdp2: each holds its part of weights, gradients and
    optimizer, and gathers a layer when it computes it. auto: fsdp2 from a billion parameters on."""
    timeout_seconds: float = Field(default=600, gt=0)
    """A process that keeps the others waiting for longer is taken for dead, and torchrun starts all again.
    Longer than the longest pass of one micro-batch, and than writing the weights takes."""


@dataclass(frozen=True, slots=True)
class World:
    """Which of the processes this is, as torchrun says."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> "World":
        names = ("RANK", "WORLD_SIZE", "LOCAL_RANK")
        if "WORLD_SIZE" not in environ:
            return cls()
        if missing := [name for name in names if not environ.get(name, "").isdigit()]:
            raise InvalidArgument(
                f"WORLD_SIZE is set, and {', '.join(missing)} is not a number: start several processes with "
                "torchrun, which sets all of them, or unset WORLD_SIZE"
            )
        return cls(*(int(environ[name]) for name in names))


def check(config: ParallelConfig, world: World) -> None:
    """FailedPrecondition for what one process cannot do."""
    if config.kind == "fsdp2" and world.size == 1:
        raise FailedPrecondition(
            "parallel.kind is fsdp2, and there is one process: start more with torchrun "
            "--nproc-per-node=2 -m farfield_trainer …, or write parallel.kind: auto"
        )


def world_of(environ: Mapping[str, str], config: ParallelConfig, prog: str) -> World:
    """The process's place. Exits with status 2 and a readable message when it cannot be."""
    try:
        world = World.of(environ)
        check(config, world)
    except FarfieldError as error:
        print(f"{prog}: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    return world
