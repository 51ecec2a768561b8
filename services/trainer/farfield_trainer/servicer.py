"""TrainerService: the contract's messages to the core and back."""

from collections.abc import AsyncIterator
from typing import Any

from farfield.trainer.v1 import trainer_pb2 as pb
from farfield.trainer.v1 import trainer_pb2_grpc
from farfield_kernel.errors import Unavailable
from farfield_kernel.server import Mount
from farfield_trainer.preflight import Preflight
from farfield_trainer.reporting.reports import Report
from farfield_trainer.run import Run, State
from farfield_trainer.run_config import run_config
from farfield_trainer.runs import Runs

_STATES = {
    State.RUNNING: pb.RUN_STATE_RUNNING,
    State.PAUSED: pb.RUN_STATE_PAUSED,
    State.SUCCEEDED: pb.RUN_STATE_SUCCEEDED,
    State.FAILED: pb.RUN_STATE_FAILED,
    State.STOPPED: pb.RUN_STATE_STOPPED,
}


class TrainerServicer(trainer_pb2_grpc.TrainerServiceServicer):
    def __init__(self, runs: Runs, preflight: Preflight) -> None:
        self._runs, self._preflight = runs, preflight

    async def StartRun(self, request: pb.StartRunRequest, context: Any) -> pb.StartRunResponse:
        config = run_config(request.config_json)
        run = self._runs.existing(request.run_id, config)
        if run is None:
            await self._preflight.check(request.run_id, config)
            run = self._runs.start(request.run_id, config)
        return pb.StartRunResponse(run=run_to(run))

    async def GetRun(self, request: pb.GetRunRequest, context: Any) -> pb.GetRunResponse:
        return pb.GetRunResponse(run=run_to(self._runs.get(request.run_id)))

    async def ListRuns(self, request: pb.ListRunsRequest, context: Any) -> pb.ListRunsResponse:
        return pb.ListRunsResponse(runs=map(run_to, self._runs.all()))

    async def WatchRun(self, request: pb.WatchRunRequest, context: Any) -> AsyncIterator[pb.WatchRunResponse]:
        run = self._runs.get(request.run_id)
        async for report in run.reports.watch(request.after):
            yield pb.WatchRunResponse(report=report_to(report), run=run_to(run))
        if run.state.unfinished:
            raise Unavailable(
                "the trainer stops; the run goes on when it is back: watch again from the last report"
            )
        yield pb.WatchRunResponse(run=run_to(run))

    async def PauseRun(self, request: pb.PauseRunRequest, context: Any) -> pb.PauseRunResponse:
        return pb.PauseRunResponse(run=run_to(self._runs.pause(request.run_id)))

    async def ResumeRun(self, request: pb.ResumeRunRequest, context: Any) -> pb.ResumeRunResponse:
        return pb.ResumeRunResponse(run=run_to(self._runs.resume(request.run_id)))

    async def StopRun(self, request: pb.StopRunRequest, context: Any) -> pb.StopRunResponse:
        return pb.StopRunResponse(run=run_to(self._runs.stop(request.run_id)))

    async def SaveCheckpoint(
        self, request: pb.SaveCheckpointRequest, context: Any
    ) -> pb.SaveCheckpointResponse:
        saved = await self._runs.save(request.run_id)
        return pb.SaveCheckpointResponse(path=str(saved.folder), update=saved.update)


def run_to(run: Run) -> pb.Run:
    figures = run.figures()
    return pb.Run(
        run_id=run.run_id,
        state=_STATES[run.state],
        update=figures.update,
        updates=run.config.updates,
        version=figures.version,
        error=run.error,
        folder=str(run.folder),
        episodes_planned=figures.episodes_planned,
        episodes_trained=figures.episodes_trained,
        episodes_failed=figures.episodes_failed,
        algorithm=run.config.algorithm.kind,
        adapters=run.config.publishes_adapters,
        versions=figures.versions,
    )


def report_to(report: Report) -> pb.Report:
    return pb.Report(
        sequence=report.sequence,
        time=report.time,
        kind=report.kind,
        update=report.update,
        suite=report.suite,
        metrics=report.metrics,
    )


def mount(servicer: TrainerServicer) -> Mount:
    return Mount(
        pb.DESCRIPTOR.services_by_name["TrainerService"],
        trainer_pb2_grpc.add_TrainerServiceServicer_to_server,
        servicer,
    )
