"""The stack whose plugins fail on order: what users run, with limits small enough to be met soon."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from farfield.trainer.v1 import trainer_pb2 as pb
from farfield.trajectory.v1.trajectory_pb2 import Trajectory
from farfield_cli.runs.trainer import Trainer, is_over
from farfield_cli.stack.stack import Stack, StackOptions, running
from tests.chaos.alerting import Exported
from tests.chaos.classes import RETRIES
from tests.chaos.faulty import NAME, VARIABLE, Orders, install
from tests.chaos.fire import MODEL
from tests.chaos.journal import committed

LANE = "default"
STRANGER = "stranger"
"""An environment whose service speaks another contract: the verifier's."""
_WATCH_SECONDS = 0.5
_LIMITS = {
    "environment": {"STEP_TIMEOUT_SECONDS": 15, "CHILD_MEMORY_MIB": 150, "MAX_OBSERVATION_BYTES": 100_000},
    "verifier": {"VERIFY_TIMEOUT_SECONDS": 15, "CHILD_MEMORY_MIB": 150},
    "policy": {"ENGINE__WEIGHTS_WAIT_SECONDS": 5},
    "rollout": {"RETRY__RETRIES": RETRIES, "RETRY__PATIENCE_SECONDS": 10},
    "trainer": {"QUEUE_WATCH_SECONDS": _WATCH_SECONDS},
}
_AT_ONCE = 8


def config(updates: int, groups: int, **changes: Any) -> dict[str, Any]:
    """A run of the game that fails on order. No step changes a float32 weight."""
    sampling = {"max_new_tokens": 40, **changes.pop("sampling", {})}
    return {
        "base": str(MODEL),
        "environment": {"name": NAME, "variant": "id", "options": {"prompt": "compact", "max_turns": 3}},
        "reward": {"leaf": {"verifier": NAME}},
        "sampling": sampling,
        "algorithm": {
            "kind": "rl",
            "advantage": {"estimator": "reinforce++"},
            "optimizer": {"learning_rate": 1e-30},
        },
        "deterministic": True,
        "updates": updates,
        "batch": {"groups": groups},
        **changes,
    }


@dataclass(frozen=True, slots=True)
class Place:
    """Where the runs are played."""

    folder: Path
    stack: Stack
    trainer: Trainer
    orders: Orders

    async def run(
        self, run_id: str, config: dict[str, Any], expected: int = pb.RUN_STATE_SUCCEEDED
    ) -> pb.Run:
        """The run as it ended."""
        await self.trainer.start(run_id, config)
        while not is_over(run := await self.trainer.get(run_id)):  # noqa: ASYNC110 - a trainer is asked
            await asyncio.sleep(0.2)
        assert run.state == expected, f"{run_id}: {pb.RunState.Name(run.state)} {run.error}"
        return run

    def committed(self, run_id: str) -> dict[str, Trajectory]:
        return committed(self.folder / "state", run_id)

    def summary(self, run_id: str) -> dict[str, Any]:
        return json.loads((self.folder / "runs" / run_id / "summary.json").read_text())

    def updates(self, run_id: str) -> list[dict[str, float]]:
        """The figures that the trainer reported, update by update."""
        lines = (self.folder / "runs" / run_id / "reports.jsonl").read_text().splitlines()
        return [line["metrics"] for line in map(json.loads, lines) if line["kind"] == "update"]

    async def exported(self) -> Exported:
        """Once the trainer has looked at its queue again."""
        await asyncio.sleep(3 * _WATCH_SECONDS)
        return await asyncio.to_thread(Exported.by, self.stack)


@asynccontextmanager
async def placed(folder: Path) -> AsyncIterator[Place]:
    orders = Orders(folder / "orders")
    given = {VARIABLE: str(folder / "orders"), **install(folder / "plugins"), **_settings()}
    options = StackOptions(
        folder / "state", folder / "runs", MODEL, concurrency=_AT_ONCE, rows=_AT_ONCE, deterministic=True
    )

    def add_stranger(stack: Stack) -> None:
        os.environ[f"FARFIELD_ROLLOUT__ENVIRONMENTS__{STRANGER.upper()}__ADDRESS"] = stack.plan.verifier

    with _variables(given):
        async with (
            running(options, add_stranger) as stack,
            Trainer.at(stack.plan.lanes[LANE].trainer) as trainer,
        ):
            yield Place(folder, stack, trainer, orders)


def _settings() -> dict[str, str]:
    kept = {"environment": {"IDLE_PROCESSES": _AT_ONCE}}
    found = {}
    for service, limits in _LIMITS.items():
        for name, value in {**limits, **kept.get(service, {}), "SERVER__METRICS_PORT": 0}.items():
            found[f"FARFIELD_{service.upper()}__{name}"] = str(value)
    return found


@contextmanager
def _variables(given: Mapping[str, str]) -> Iterator[None]:
    """For the services that are started inside."""
    before = dict(os.environ)
    os.environ.update(given)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
