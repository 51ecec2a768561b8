"""What two ranks cost and give beside one process: time of one GRPO update, and memory of each rank.

A 3.5M-parameter Llama, 32 episodes of 32 + 32 tokens, one thread per rank, Gloo, all on this machine. Ranks
share its cores and its memory bandwidth: two ranks on two cores that others use as well say what the
mechanism costs, not what a second GPU gives. `held` counts the bytes of weights, gradients and moments;
`resident` is what the process grew by from before the model was loaded to after the last update.

    python -m benchmarks.training.parallel [--rounds 3] [--hidden 256] [--layers 4] [--output parallel.json]
"""

import argparse
import json
import multiprocessing
import os
import socket
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from queue import Queue
from typing import Any

import psutil
import torch
from torch import Tensor

from benchmarks.models import write
from benchmarks.training.data import equal_lengths
from benchmarks.training.ways import trajectories
from farfield_trainer.learning.algorithm_config import LearnerConfig
from farfield_trainer.learning.learner import Learner
from farfield_trainer.learning.ranks import Alone
from farfield_trainer.parallel.config import ParallelConfig, World
from farfield_trainer.parallel.process import joined
from farfield_trainer.parallel.ranks import Replicated
from farfield_trainer.parallel.sharded import Sharded

EPISODES, MIB = 32, 1 << 20
CPU = torch.device("cpu")
Answers = Queue[dict[str, float]]


def alone(answers: Answers, base: Path, rounds: int) -> None:
    torch.set_num_threads(1)
    answers.put(measured(Alone(), base, rounds))


def together(
    answers: Answers, base: Path, rounds: int, kind: str, rank: int, place: Mapping[str, str]
) -> None:
    torch.set_num_threads(1)
    os.environ |= place
    with joined(ParallelConfig(), World(rank, 2, rank), CPU) as channel:
        ranks = Replicated(channel) if kind == "ddp" else Sharded(channel, CPU)
        answers.put(measured(ranks, base, rounds))


def measured(ranks: Alone, base: Path, rounds: int) -> dict[str, float]:
    """Medians over the updates, the first left out."""
    episodes = trajectories(equal_lengths()[:EPISODES])
    before = psutil.Process().memory_info().rss
    learner = Learner(LearnerConfig(), base, seed=0, ranks=ranks)
    walls, cpus = [], []
    for _ in range(rounds + 1):
        wall, cpu = time.perf_counter(), time.process_time()
        learner.update(episodes)
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    return {
        "wall_seconds": statistics.median(walls[1:]),
        "cpu_seconds": statistics.median(cpus[1:]),
        "held_mib": held_bytes(learner) / MIB,
        "resident_mib": (psutil.Process().memory_info().rss - before) / MIB,
        "parameters": learner.parameters,
    }


def held_bytes(learner: Learner) -> int:
    """Gradients are as large as the weights; they are gone between updates."""
    weights = list(learner._policy.parameters())
    return sum(2 * local(item) for item in weights) + sum(map(local, learner._optimizer.state().values()))


def local(tensor: Tensor) -> int:
    own: Tensor = getattr(tensor, "to_local", lambda: tensor)()
    return own.numel() * own.element_size()


def started(base: Path, rounds: int, kind: str) -> Iterator[Any]:
    """What each process measured."""
    context = multiprocessing.get_context("spawn")
    answers = context.Queue()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(probe.getsockname()[1])}
    if kind == "alone":
        processes = [context.Process(target=alone, args=(answers, base, rounds))]
    else:
        processes = [
            context.Process(target=together, args=(answers, base, rounds, kind, rank, place))
            for rank in range(2)
        ]
    for process in processes:
        process.start()
    yield from [answers.get() for _ in processes]
    for process in processes:
        process.join()


def summary(ranks: list[dict[str, float]]) -> dict[str, float]:
    """The slower rank's time, all ranks' CPU, the larger rank's memory."""
    return {
        "wall_seconds": round(max(rank["wall_seconds"] for rank in ranks), 2),
        "cpu_seconds_of_all_ranks": round(sum(rank["cpu_seconds"] for rank in ranks), 2),
        "held_mib_per_rank": round(max(rank["held_mib"] for rank in ranks), 1),
        "resident_mib_per_rank": round(max(rank["resident_mib"] for rank in ranks), 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--hidden", type=int, default=256)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        hidden = arguments.hidden
        shape = {"hidden_size": hidden, "intermediate_size": 3 * hidden, "num_attention_heads": 4}
        base = write(Path(folder), shape | {"num_hidden_layers": arguments.layers})
        ways = {kind: list(started(base, arguments.rounds, kind)) for kind in ("alone", "ddp", "fsdp2")}
    report = {
        "parameters": int(ways["alone"][0]["parameters"]),
        "cores": os.cpu_count(),
        "load_before": round(load, 1),
        **{kind: summary(ranks) for kind, ranks in ways.items()},
    }
    text = json.dumps(report, indent=2)
    print(text)
    if arguments.output:
        arguments.output.write_text(text + "\n")


if __name__ == "__main__":
    main()
