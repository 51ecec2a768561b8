"""The service over real gRPC, with the queue's in-memory twin and a worker that plays by hashing."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc.aio
import pytest
from sample_runs import HashLearner, ToyEnvironment, Worker, run_config, sft_config, suites

from farfield.trainer.v1 import trainer_pb2 as pb
from farfield.trainer.v1.trainer_pb2_grpc import TrainerServiceStub
from farfield_kernel.client import ClientConfig
from farfield_kernel.queue.memory import named
from farfield_kernel.server import running
from farfield_trainer.config import TrainerConfig
from farfield_trainer.service import assembled


@dataclass
class Place:
    base: Path
    trainer: TrainerServiceStub
    environment: ToyEnvironment

    async def start(self, config: Any, run_id: str = "r") -> pb.Run:
        text = config.model_copy(update={"base": self.base}).model_dump_json()
        return (await self.trainer.StartRun(pb.StartRunRequest(run_id=run_id, config_json=text))).run

    async def watched(self, after: int = 0) -> list[pb.WatchRunResponse]:
        return [answer async for answer in self.trainer.WatchRun(pb.WatchRunRequest(run_id="r", after=after))]


@asynccontextmanager
async def served(folder: Path, queue_url: str, *, working: bool) -> AsyncIterator[Place]:
    base = folder / "base"
    base.mkdir(exist_ok=True)
    (base / "config.json").write_text("{}")
    environment = ToyEnvironment()
    async with running([environment.mount()]) as address:
        config = TrainerConfig(
            lane="lane",
            queue_url=queue_url,
            runs=folder / "runs",
            environment=ClientConfig(address=address),
        )
        async with assembled(config, HashLearner) as service, running([service.mount]) as trainer:
            service.runs.go_on()
            worker = Worker(named(queue_url, 60))
            async with grpc.aio.insecure_channel(trainer) as channel:
                place = Place(base, TrainerServiceStub(channel), environment)
                if not working:
                    yield place
                    return
                async with worker.working():
                    yield place


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    async with served(tmp_path, f"memory://{tmp_path}", working=True) as place:
        yield place


@pytest.fixture
async def idle(tmp_path: Path) -> AsyncIterator[Place]:
    async with served(tmp_path, f"memory://{tmp_path}", working=False) as place:
        yield place


async def refused(call: Any) -> tuple[str, str]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value.code().name, caught.value.details() or ""


async def test_a_run_from_start_to_end(place: Place) -> None:
    config = run_config(evaluation={"suites": suites(id=2), "every": 2})
    assert (await place.start(config)).state == pb.RUN_STATE_RUNNING
    answers = await place.watched()
    reports = [answer.report for answer in answers if answer.HasField("report")]
    assert [report.update for report in reports if report.kind == "update"] == [1, 2, 3, 4]
    assert {report.suite for report in reports if report.kind == "eval"} == {"id"}
    last = answers[-1].run
    assert (last.state, last.update, last.version) == (pb.RUN_STATE_SUCCEEDED, 4, 4)
    assert (last.episodes_planned, last.episodes_trained, last.episodes_failed) == (16, 16, 0)
    assert last.algorithm == "rl"
    assert (Path(last.folder) / "tensorboard").is_dir()
    rest = await place.watched(after=reports[-2].sequence)
    assert [answer.report.sequence for answer in rest[:-1]] == [reports[-1].sequence]


async def test_sft_takes_demonstrations_from_the_environment(place: Place) -> None:
    await place.start(sft_config())
    assert (await place.watched())[-1].run.state == pb.RUN_STATE_SUCCEEDED
    assert len(place.environment.asked) == 4
    assert not place.environment.sessions, "sessions of the check are closed"


async def test_starting_again_is_idempotent(idle: Place) -> None:
    await idle.start(run_config())
    assert (await idle.start(run_config())).state == pb.RUN_STATE_RUNNING
    assert (await refused(idle.start(run_config(seed=1))))[0] == "ALREADY_EXISTS"
    code, details = await refused(idle.start(run_config(), "other"))
    assert code == "RESOURCE_EXHAUSTED"
    assert "run 'r' is running" in details
    runs = (await idle.trainer.ListRuns(pb.ListRunsRequest())).runs
    assert [run.run_id for run in runs] == ["r"]


async def test_mistakes_in_a_config(idle: Place, tmp_path: Path) -> None:
    request = pb.StartRunRequest(run_id="r", config_json='{"updats": 3}')
    code, details = await refused(idle.trainer.StartRun(request))
    assert code == "INVALID_ARGUMENT"
    assert "did you mean 'updates'" in details
    code, details = await refused(idle.start(run_config(environment={"name": "tooy"})))
    assert code == "INVALID_ARGUMENT"
    assert "environment: no environment 'tooy'; hosted: toy" in details
    wrong = {"suites": {"ood": {"environment": {"name": "x"}, "episodes": 1}}}
    assert "suites.ood.environment: no" in (await refused(idle.start(run_config(evaluation=wrong))))[1]
    (idle.base / "config.json").unlink()
    code, details = await refused(idle.start(run_config()))
    assert code == "FAILED_PRECONDITION"
    assert "no config.json" in details
    assert not (await idle.trainer.ListRuns(pb.ListRunsRequest())).runs


async def test_pause_save_resume_stop(idle: Place) -> None:
    await idle.start(run_config())
    trainer = idle.trainer
    assert (await trainer.PauseRun(pb.PauseRunRequest(run_id="r"))).run.state == pb.RUN_STATE_PAUSED
    saved = await trainer.SaveCheckpoint(pb.SaveCheckpointRequest(run_id="r"))
    assert saved.update == 0
    assert (Path(saved.path) / "manifest.json").exists()
    assert (await trainer.ResumeRun(pb.ResumeRunRequest(run_id="r"))).run.state == pb.RUN_STATE_RUNNING
    await trainer.StopRun(pb.StopRunRequest(run_id="r"))
    assert (await idle.watched())[-1].run.state == pb.RUN_STATE_STOPPED
    assert (await refused(trainer.StopRun(pb.StopRunRequest(run_id="r"))))[0] == "FAILED_PRECONDITION"
    assert (await refused(trainer.GetRun(pb.GetRunRequest(run_id="x"))))[0] == "NOT_FOUND"


async def test_a_stopped_run_can_be_taken_up(tmp_path: Path) -> None:
    async with served(tmp_path, f"memory://{tmp_path}/1", working=False) as idle:
        await idle.start(run_config())
        await idle.trainer.StopRun(pb.StopRunRequest(run_id="r"))
        await idle.watched()
    async with served(tmp_path, f"memory://{tmp_path}/2", working=True) as place:
        await place.trainer.ResumeRun(pb.ResumeRunRequest(run_id="r"))
        assert (await place.watched())[-1].run.state == pb.RUN_STATE_SUCCEEDED


async def test_a_new_process_goes_on_with_the_run(tmp_path: Path) -> None:
    async with served(tmp_path, f"memory://{tmp_path}/1", working=False) as idle:
        await idle.start(run_config())
    async with served(tmp_path, f"memory://{tmp_path}/2", working=True) as place:
        assert (await place.watched())[-1].run.state == pb.RUN_STATE_SUCCEEDED
