"""One of the processes that torchrun started: joins the others, then commands or follows."""

import datetime
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import torch
import torch.distributed as dist

from farfield_kernel.errors import FailedPrecondition
from farfield_trainer.config import TrainerConfig
from farfield_trainer.learning.learner import Learner
from farfield_trainer.parallel.channel import Channel
from farfield_trainer.parallel.config import Kind, ParallelConfig, World
from farfield_trainer.parallel.crew import Build, Commander, Crew, end_process, follow
from farfield_trainer.parallel.meeting import meet
from farfield_trainer.parallel.ranks import Replicated
from farfield_trainer.parallel.sharded import Sharded
from farfield_trainer.parallel.size import kind_for
from farfield_trainer.run_config import RunConfig

Lead = Callable[[Callable[[RunConfig], Commander]], None]


def take_part(config: TrainerConfig, world: World, lead: Lead) -> None:
    """Rank 0 leads, with the learners that it is given; the others follow it until it ends."""
    torch.set_num_threads(config.torch_threads)
    if world.rank:
        followed(config, world)
        return
    with commanded(config, world) as crew:
        lead(crew.open)


@contextmanager
def commanded(
    config: TrainerConfig, world: World, end: Callable[[BaseException], NoReturn] = end_process
) -> Iterator[Crew]:
    """Rank 0's command of the others for the length of a block; `end` is what a lost rank leads to."""
    device, chosen = device_of(config.device, world), config.parallel

    def kind_of(run: RunConfig) -> Kind:
        return kind_for(chosen.kind, Path(run.base))

    with (
        joined(chosen, world, device) as channel,
        Crew(channel, builder(config, channel, device), kind_of, chosen.timeout_seconds, end) as crew,
    ):
        yield crew


def followed(config: TrainerConfig, world: World) -> None:
    """Another rank's life. Rank 0 alone heeds signals: it may need the others for a last checkpoint."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    device = device_of(config.device, world)
    with joined(config.parallel, world, device) as channel:
        follow(channel, builder(config, channel, device))


def builder(config: TrainerConfig, channel: Channel, device: torch.device) -> Build:
    def build(run: RunConfig, kind: Kind) -> Learner:
        if device.type == "cuda":
            torch.cuda.set_device(device)  # of this thread
        ranks = Sharded(channel, device) if kind == "fsdp2" else Replicated(channel)
        settings = run.algorithm.learner(run.deterministic)
        return Learner(
            settings,
            Path(run.base),
            seed=run.seed,
            device=str(device),
            ranks=ranks,
            threads=config.torch_threads,
        )

    return build


@contextmanager
def joined(config: ParallelConfig, world: World, device: torch.device) -> Iterator[Channel]:
    """The process group for the length of a block. Where there are GPUs, tensors on them go by NCCL, and
    commands by Gloo all the same."""
    backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
    timeout = datetime.timedelta(seconds=config.timeout_seconds)
    store = meet(world.rank, world.size, config.timeout_seconds)
    dist.init_process_group(backend, store=store, timeout=timeout, rank=world.rank, world_size=world.size)
    try:
        yield Channel()
    finally:
        dist.destroy_process_group()


def device_of(name: str, world: World) -> torch.device:
    """The rank's own of the machine's GPUs; FailedPrecondition where it has none."""
    device = torch.device(name)
    if device.type != "cuda":
        return device
    if device.index is not None:
        raise FailedPrecondition(
            f"device is {name}, and there are {world.size} processes: write device: cuda, and each takes the "
            "GPU of its LOCAL_RANK"
        )
    present = torch.cuda.device_count()
    if world.local_rank >= present:
        raise FailedPrecondition(
            f"LOCAL_RANK {world.local_rank} has no GPU: this machine shows {present}. Start with "
            f"--nproc-per-node={present}, or give the container more GPUs"
        )
    return torch.device("cuda", world.local_rank)
