"""The trainer as a process, with a real Redis and the real learner: killed, with its queue wiped, and ended.

Episodes are played here by hashing their seeds, so every life of a run must end with the same weights.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc.aio
import psutil
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "trainer"))

from conftest import build_checkpoint
from sample_runs import Worker, play, run_config

from farfield.trainer.v1 import trainer_pb2 as pb
from farfield.trainer.v1.trainer_pb2_grpc import TrainerServiceStub
from farfield.trajectory.v1.trajectory_pb2 import EpisodeSpec, Trajectory
from farfield_kernel.queue.opening import connect
from farfield_kernel.weights import Weights, verify
from farfield_trainer.run import Run

pytestmark = pytest.mark.timeout(400)  # each start of the process imports torch and transformers


def play_by_seeds(spec: EpisodeSpec, weights: Weights) -> Trajectory:
    return play(spec, Weights(weights.run_id, weights.version, "any", ""))


@dataclass
class Trainer:
    """A process, or `ranks` of them under torchrun, that can be killed and started again."""

    folder: Path
    url: str
    port: int
    ranks: int = 1
    flags: dict[str, object] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        flags = {
            "server.port": self.port,
            "server.drain_seconds": 4,
            "lane": "lane",
            "queue_url": self.url,
            "runs": self.folder / "runs",
            "replan_seconds": 0.5,
            **self.flags,
        }
        words = [word for key, value in flags.items() for word in (f"--{key}", str(value))]
        with (self.folder / "trainer.log").open("ab") as log:
            command = [sys.executable, *self._torchrun(), "-m", "farfield_trainer", *words]
            self.process = subprocess.Popen(command, stdout=log, stderr=log)

    def _torchrun(self) -> list[str]:
        if self.ranks == 1:
            return []
        options = ["--standalone", f"--nproc-per-node={self.ranks}", "--max-restarts=3"]
        return ["-m", "torch.distributed.run", *options]

    def kill_rank(self, rank: int) -> None:
        assert self.process
        (pid,) = (
            child.pid
            for child in psutil.Process(self.process.pid).children()
            if child.environ().get("RANK") == str(rank)
        )
        os.kill(pid, signal.SIGKILL)

    def end(self, number: int) -> int:
        assert self.process
        self.process.send_signal(number)
        return self.process.wait(60)


@pytest.fixture
def trainer(tmp_path: Path, unused_tcp_port: int) -> Iterator[Trainer]:
    trainer = Trainer(tmp_path, "", unused_tcp_port)
    yield trainer
    if trainer.process and trainer.process.poll() is None:
        trainer.end(signal.SIGKILL if trainer.ranks == 1 else signal.SIGTERM)  # torchrun ends its ranks


@pytest.fixture
async def stub(trainer: Trainer) -> AsyncIterator[TrainerServiceStub]:
    options = [("grpc.max_reconnect_backoff_ms", 200)]
    async with grpc.aio.insecure_channel(f"127.0.0.1:{trainer.port}", options) as channel:
        yield TrainerServiceStub(channel)


Act = Callable[[pb.Report], None]


async def watched(stub: TrainerServiceStub, run_id: str, act: Act) -> tuple[pb.Run, list[pb.Report]]:
    """The run as it ended, and all its reports; `act` is told of each."""
    after, reports = 0, []
    while True:
        try:
            request = pb.WatchRunRequest(run_id=run_id, after=after)
            async for answer in stub.WatchRun(request, wait_for_ready=True):
                if not answer.HasField("report"):
                    return answer.run, reports
                after = answer.report.sequence
                reports.append(answer.report)
                await asyncio.to_thread(act, answer.report)
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.UNAVAILABLE:
                raise


def once_at(update: int, act: Callable[[], None]) -> Act:
    """Acts at the first report of that update."""
    acts = [act]

    def at_report(report: pb.Report) -> None:
        if acts and report.kind == "update" and report.update == update:
            acts.pop()()

    return at_report


async def test_kills_and_lost_queues_change_nothing(
    trainer: Trainer, stub: TrainerServiceStub, make_redis: Callable[..., Any], tmp_path: Path
) -> None:
    redis = make_redis()
    redis.kill()
    trainer.url = redis.url
    trainer.start()
    base = build_checkpoint(tmp_path / "base")
    config = run_config(base=str(base), deterministic=True, updates=6).model_dump_json()

    async def start(run_id: str) -> None:
        request = pb.StartRunRequest(run_id=run_id, config_json=config)
        await stub.StartRun(request, wait_for_ready=True)

    def kill_trainer() -> None:
        trainer.end(signal.SIGKILL)
        trainer.start()

    kill, wipe = once_at(3, kill_trainer), once_at(3, redis.kill)

    def act(also: Act) -> Act:
        def at_report(report: pb.Report) -> None:
            also(report)
            if report.metrics.get("waiting_for_queue"):
                redis.start()

        return at_report

    queue = connect(redis.url, patience_seconds=0.5)
    async with Worker(queue, play_by_seeds).working():
        await start("killed")
        killed, reports = await watched(stub, "killed", act(kill))
        await start("wiped")
        wiped, outage = await watched(stub, "wiped", act(wipe))
    await queue.close()

    for run in (killed, wiped):
        assert (run.state, run.error) == (pb.RUN_STATE_SUCCEEDED, "")
        assert (run.episodes_planned, run.episodes_trained) == (24, 24)
        assert summary(run)["trained_exactly_once"]
    assert digest(killed) == digest(wiped)
    assert [report.sequence for report in reports] == sorted({report.sequence for report in reports})
    assert any("restored" in report.metrics for report in reports)
    for said in (reports, outage):
        waits = [report.metrics.get("waiting_for_queue") for report in said if report.kind == "phase"]
        assert waits == [1.0, 0.0]
    assert trainer.end(signal.SIGTERM) == 0


def summary(run: pb.Run) -> dict[str, Any]:
    return json.loads(Path(run.folder, "summary.json").read_text())


def digest(run: pb.Run) -> str:
    folder = Path(run.folder) / "weights" / f"{run.version:06d}"
    verify(folder)
    return (folder / "model.safetensors").read_bytes().hex()


@pytest.mark.parametrize("ranks", [1, 2])
async def test_sigterm_suspends_a_run_with_a_checkpoint(
    trainer: Trainer, stub: TrainerServiceStub, redis_url: str, tmp_path: Path, ranks: int
) -> None:
    """Under torchrun too, which passes the signal on and then says itself that it got one."""
    trainer.url, trainer.ranks = redis_url, ranks
    trainer.flags = {"parallel.kind": "fsdp2" if ranks > 1 else "auto"}
    trainer.start()
    config = run_config(base=str(build_checkpoint(tmp_path / "base"))).model_dump_json()
    await stub.StartRun(pb.StartRunRequest(run_id="r", config_json=config), wait_for_ready=True)
    await stub.SaveCheckpoint(pb.SaveCheckpointRequest(run_id="r"))
    assert (await asyncio.to_thread(trainer.end, signal.SIGTERM) == 0) == (ranks == 1)
    run = Run.read(tmp_path / "runs" / "r")
    assert run.state.unfinished
    assert sorted(path.name for path in (run.folder / "checkpoints").iterdir()) == ["000000.0", "000000.1"]


@pytest.mark.parametrize("kind", ["ddp", "fsdp2"])
async def test_a_lost_rank_costs_nothing(
    trainer: Trainer, stub: TrainerServiceStub, redis_url: str, tmp_path: Path, kind: str
) -> None:
    """A follower is killed in the middle of a run, then rank 0; torchrun starts the group again, and the run
    goes on. Another run is left in peace: with two ranks again, it ends with the same weights."""
    trainer.url, trainer.ranks = redis_url, 2
    trainer.flags = {"parallel.kind": kind, "parallel.timeout_seconds": 60}
    trainer.start()
    base = build_checkpoint(tmp_path / "base")
    config = run_config(base=str(base), deterministic=True, updates=6).model_dump_json()
    lose_follower = once_at(2, lambda: trainer.kill_rank(1))
    lose_commander = once_at(4, lambda: trainer.kill_rank(0))

    def act(report: pb.Report) -> None:
        lose_follower(report)
        lose_commander(report)

    async def whole(run_id: str, act: Act) -> pb.Run:
        request = pb.StartRunRequest(run_id=run_id, config_json=config)
        await stub.StartRun(request, wait_for_ready=True)
        return (await watched(stub, run_id, act))[0]

    queue = connect(redis_url, patience_seconds=0.5)
    async with Worker(queue, play_by_seeds).working():
        disturbed = await whole(f"{kind}-disturbed", act)
        quiet = await whole(f"{kind}-quiet", lambda _: None)
    await queue.close()
    for run in (disturbed, quiet):
        assert (run.state, run.error) == (pb.RUN_STATE_SUCCEEDED, "")
        assert (run.episodes_planned, run.episodes_trained) == (24, 24)
        assert summary(run)["trained_exactly_once"]
    assert Run.read(Path(disturbed.folder)).lives == 3
    assert digest(disturbed) == digest(quiet)
