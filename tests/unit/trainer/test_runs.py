import asyncio
import json
import weakref
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sample_runs import LANE, HashLearner, Worker, run_config, station

from farfield_kernel.errors import AlreadyExists, Exhausted, FailedPrecondition, InvalidArgument, NotFound
from farfield_kernel.queue.memory import MemoryQueue
from farfield_trainer.run import RECORD, Run, State
from farfield_trainer.runs import Runs


@pytest.fixture
async def queue() -> AsyncIterator[MemoryQueue]:
    """With a worker."""
    queue = MemoryQueue()
    async with Worker(queue).working():
        yield queue


@pytest.fixture
async def runs(tmp_path: Path, queue: MemoryQueue) -> AsyncIterator[Runs]:
    runs = opened(tmp_path, queue)
    yield runs
    await runs.close(1)


@pytest.fixture
async def idle(tmp_path: Path) -> AsyncIterator[Runs]:
    """Whose lane has no worker: a run waits for its episodes."""
    runs = opened(tmp_path, MemoryQueue())
    yield runs
    await runs.close(1)


def opened(folder: Path, queue: MemoryQueue, **parts: object) -> Runs:
    runs = Runs(folder / "runs", station(queue, **parts))
    runs.load()
    return runs


async def ended(run: Run) -> Run:
    assert run.task
    await asyncio.wait({run.task})
    return run


async def test_a_run_succeeds(runs: Runs) -> None:
    run = await ended(runs.start("r", run_config()))
    assert (run.state, run.error) == (State.SUCCEEDED, "")
    figures = run.figures()
    assert (figures.update, figures.version, figures.episodes_trained) == (4, 4, 16)


async def test_a_run_that_is_over_holds_no_model(tmp_path: Path, queue: MemoryQueue) -> None:
    learners: list[weakref.ref[HashLearner]] = []

    class Watched(HashLearner):
        def __init__(self, config: object) -> None:
            learners.append(weakref.ref(self))
            super().__init__()

    run = await ended(opened(tmp_path, queue, make_learner=Watched).start("r", run_config()))
    assert [learner() for learner in learners] == [None]
    assert run.figures().update == 4


async def test_the_same_start_again_is_the_same_run(idle: Runs) -> None:
    run = idle.start("r", run_config())
    assert idle.start("r", run_config()) is run
    with pytest.raises(AlreadyExists, match="another config"):
        idle.start("r", run_config(updates=5))


async def test_one_run_at_a_time(idle: Runs) -> None:
    idle.start("r", run_config())
    with pytest.raises(Exhausted, match="run 'r' is running"):
        idle.start("s", run_config())


async def test_names_that_are_wrong(idle: Runs) -> None:
    with pytest.raises(InvalidArgument, match="run id"):
        idle.start("../r", run_config())
    with pytest.raises(NotFound, match="no run 'x' here"):
        idle.get("x")


async def test_a_folder_of_something_else_is_not_touched(idle: Runs, tmp_path: Path) -> None:
    (tmp_path / "runs" / "mine").mkdir(parents=True)
    (tmp_path / "runs" / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(AlreadyExists, match="not empty"):
        idle.start("mine", run_config())


async def test_pause_resume_stop(idle: Runs) -> None:
    run = idle.start("r", run_config())
    assert idle.pause("r").state is State.PAUSED
    assert idle.resume("r").state is State.RUNNING
    idle.stop("r")
    assert (await ended(run)).state is State.STOPPED
    with pytest.raises(FailedPrecondition, match="only a working run can be paused"):
        idle.pause("r")


async def test_a_paused_run_trains_no_further(runs: Runs) -> None:
    run = runs.start("r", run_config(updates=50))
    async for report in run.reports.watch(0):
        if report.kind == "update":
            break
    runs.pause("r")
    at_most = run.figures().update + 1
    for _ in range(4):
        assert (await runs.save("r")).update <= at_most, "the present update ends, and no other begins"
    runs.resume("r")
    assert (await ended(run)).figures().update == 50


async def test_a_checkpoint_of_a_run_that_ends_first_is_refused(tmp_path: Path) -> None:
    class Unbuildable(HashLearner):
        def __init__(self, config: object) -> None:
            raise FailedPrecondition("no such model")

    runs = opened(tmp_path, MemoryQueue(), make_learner=Unbuildable)
    run = runs.start("r", run_config())
    with pytest.raises(FailedPrecondition, match="ended before the checkpoint"):
        await runs.save("r")
    assert (await ended(run)).error == "no such model"
    with pytest.raises(FailedPrecondition, match="only a working run"):
        await runs.save("r")


async def test_a_failed_run_says_why_and_can_go_on(tmp_path: Path, queue: MemoryQueue) -> None:
    class Broken(HashLearner):
        def update(self, trajectories: object, blobs: object) -> dict[str, float]:
            raise ZeroDivisionError("loss by zero")

    broken = opened(tmp_path, queue, make_learner=Broken)
    run = await ended(broken.start("r", run_config()))
    assert run.state is State.FAILED
    assert "ZeroDivisionError: loss by zero" in run.error
    assert await queue.active_run(LANE) is None
    cured = opened(tmp_path, queue)
    cured.go_on()
    assert not cured.get("r").active, "a failed run waits for a person"
    run = await ended(cured.resume("r"))
    assert (run.state, run.error) == (State.SUCCEEDED, "")
    with pytest.raises(FailedPrecondition, match="is finished"):
        cured.resume("r")


async def test_a_run_that_cannot_begin_is_none(tmp_path: Path, queue: MemoryQueue) -> None:
    runs = opened(tmp_path, queue, weights="bucket")
    for _ in range(2):
        with pytest.raises(InvalidArgument, match="'bucket' is no URL"):
            runs.start("r", run_config())
    assert runs.all() == []
    cured = opened(tmp_path, queue)
    assert (await ended(cured.start("r", run_config()))).state is State.SUCCEEDED


async def test_a_run_that_cannot_be_taken_up_fails_and_can_be_resumed(
    tmp_path: Path, queue: MemoryQueue, idle: Runs
) -> None:
    idle.start("r", run_config())
    await idle.close(5)
    later = opened(tmp_path, queue, weights="bucket")
    later.go_on()
    run = later.get("r")
    for _ in range(2):
        assert (run.state, run.active) == (State.FAILED, False)
        assert "'bucket' is no URL" in run.error
        assert [report async for report in run.reports.watch(0)] == run.reports.all()
        later.resume("r")
    cured = opened(tmp_path, queue)
    assert (await ended(cured.resume("r"))).state is State.SUCCEEDED


async def test_a_record_that_cannot_be_written_fails_the_run(tmp_path: Path, idle: Runs) -> None:
    idle.start("r", run_config())
    await idle.close(5)
    later = opened(tmp_path, MemoryQueue())
    record = tmp_path / "runs" / "r" / "run.json"
    record.unlink()
    record.mkdir()
    later.go_on()
    run = later.get("r")
    assert (run.state, run.active) == (State.FAILED, False)
    assert "directory" in run.error
    assert "cure it and resume the run" in run.error


async def test_an_unfinished_run_is_taken_up_by_the_next_process(tmp_path: Path, idle: Runs) -> None:
    idle.start("r", run_config())
    await idle.save("r")
    await idle.close(5)
    assert idle.get("r").state is State.RUNNING
    queue = MemoryQueue()
    async with Worker(queue).working():
        later = opened(tmp_path, queue)
        later.go_on()
        run = await ended(later.get("r"))
    assert run.state is State.SUCCEEDED
    assert run.lives == 2


async def test_a_paused_run_is_taken_up_paused(tmp_path: Path, idle: Runs) -> None:
    idle.start("r", run_config())
    idle.pause("r")
    await idle.close(5)
    queue = MemoryQueue()
    async with Worker(queue).working() as worker:
        later = opened(tmp_path, queue)
        later.go_on()
        assert (await later.save("r")).update == 0
        assert worker.played == []
        assert later.get("r").state is State.PAUSED
        await later.close(5)


async def test_finished_runs_are_remembered(tmp_path: Path, runs: Runs, queue: MemoryQueue) -> None:
    run = await ended(runs.start("r", run_config()))
    later = opened(tmp_path, queue)
    again = later.get("r")
    assert (again.state, again.config) == (State.SUCCEEDED, run.config)
    assert again.figures() == run.figures()
    assert [report async for report in again.reports.watch(0)] == run.reports.all()


async def test_a_record_that_cannot_be_read_harms_no_other(tmp_path: Path, queue: MemoryQueue) -> None:
    for name in ("torn", "older"):
        (tmp_path / "runs" / name).mkdir(parents=True)
    (tmp_path / "runs" / "torn" / "run.json").write_text("{")
    (tmp_path / "runs" / "older" / "run.json").write_text('{"run_id": "older"}')
    assert opened(tmp_path, queue).all() == []


async def test_a_record_of_before_may_have_settings_that_are_gone(
    tmp_path: Path, runs: Runs, queue: MemoryQueue
) -> None:
    run = await ended(runs.start("r", run_config()))
    record = json.loads((run.folder / RECORD).read_text())
    record["config"]["algorithm"]["loss"]["of_an_earlier_version"] = True
    (run.folder / RECORD).write_text(json.dumps(record))
    assert opened(tmp_path, queue).get("r").config == run.config
