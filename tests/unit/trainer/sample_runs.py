"""A lane to try runs on: a learner whose weights are the hash of its history, a worker that plays by hashing,
and an environment service that demonstrates."""

import asyncio
import contextlib
import hashlib
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from farfield.environment.v1 import environment_pb2 as environment_pb
from farfield.environment.v1 import environment_pb2_grpc
from farfield.policy.v1.policy_pb2 import VersionSpan
from farfield.trajectory.v1.trajectory_pb2 import EpisodeSpec, Trajectory
from farfield.types.v1.types_pb2 import ROLE_ASSISTANT, ROLE_USER, STATE_TERMINATED, Message, Part
from farfield_kernel.errors import InvalidArgument, Unavailable
from farfield_kernel.images import Blobs
from farfield_kernel.queue.contract import Played, Queue
from farfield_kernel.server import Mount
from farfield_kernel.weights import Weights
from farfield_kernel.wire import floats_to_bytes, ids_to_bytes
from farfield_trainer.control import Control, End
from farfield_trainer.loop import Loop, Station
from farfield_trainer.reporting.reports import Report, Reports
from farfield_trainer.run_config import RunConfig

LANE = "lane"
ENVIRONMENT = {"name": "toy"}


def run_config(**changes: Any) -> RunConfig:
    """A small RL run; `changes` are laid over it."""
    values: dict[str, Any] = {
        "algorithm": {"kind": "rl"},
        "base": "base",
        "environment": ENVIRONMENT,
        "reward": {"leaf": {"verifier": "toy"}},
        "sampling": {"max_new_tokens": 4},
        "batch": {"groups": 2, "group_size": 2},
        "updates": 4,
        "checkpoint": {"every": 2},
    }
    return RunConfig.model_validate(values | changes)


def suites(**sizes: int) -> dict[str, Any]:
    return {name: {"environment": ENVIRONMENT, "episodes": size} for name, size in sizes.items()}


def sft_config(**changes: Any) -> RunConfig:
    imitation = {"algorithm": {"kind": "sft"}, "demonstrations": {"style": "expert", "batch_size": 3}}
    return run_config(**imitation | changes)


class HashLearner:
    """Equal weights mean equal histories, in the same order."""

    parameters = 10

    def __init__(self, _config: RunConfig | None = None) -> None:
        self.tokens_trained = 0
        self.history = "base"

    def update(self, trajectories: Sequence[Trajectory], blobs: Blobs) -> dict[str, float]:
        for trajectory in trajectories:
            self._learn(trajectory.SerializeToString(deterministic=True))
        return {"loss": 1.0, "learning_rate": float("nan")}

    def fit(self, demonstrations: Sequence[Any]) -> dict[str, float]:
        for sample in demonstrations:
            self._learn(json.dumps(list(sample.messages)).encode())
        return {"loss": 2.0}

    def _learn(self, data: bytes) -> None:
        self.tokens_trained += 1
        self.history = hashlib.sha256(self.history.encode() + data).hexdigest()

    def save(self, folder: Path) -> None:
        (folder / "learner.json").write_text(json.dumps([self.history, self.tokens_trained]))

    def load(self, folder: Path) -> None:
        self.history, self.tokens_trained = json.loads((folder / "learner.json").read_text())

    def save_pretrained(self, folder: Path) -> None:
        (folder / "config.json").write_text("{}")
        (folder / "model.bin").write_text(self.history)


class Silent:
    def __call__(self, report: Report) -> None:
        """Plots nothing."""

    def close(self) -> None:
        """Nothing to close."""


Play = Callable[[EpisodeSpec, Weights], Trajectory]


def play(spec: EpisodeSpec, weights: Weights) -> Trajectory:
    """What happens is a hash of the plan and the weights."""
    drawn = hashlib.sha256(f"{spec.sampling_seed}/{spec.environment_seed}/{weights.digest}".encode()).digest()
    trajectory = Trajectory(spec=spec, end=STATE_TERMINATED, success=drawn[0] < 128)
    prompt, response = [5, 6, 7], [8 + byte % 16 for byte in drawn[1:4]]
    turn = trajectory.turns.add(
        prompt_ids=ids_to_bytes(prompt),
        response_ids=ids_to_bytes(response),
        logprobs=floats_to_bytes([-1.0] * len(response)),
        versions=[VersionSpan(version=weights.version, tokens=len(response))],
        response_text="seven",
    )
    turn.verdict.reward = drawn[4] / 255
    turn.verdict.correct = trajectory.success
    return trajectory


def fits(spec: EpisodeSpec, weights: Weights | None) -> bool:
    if weights is None or weights.run_id != spec.run_id:
        return False
    return 0 <= spec.policy_version - weights.version <= spec.max_staleness


@dataclass
class Worker:
    """Plays whatever its lane's run plans. `played` holds every episode id, once per play."""

    queue: Queue
    play: Play = play
    played: list[str] = field(default_factory=list)
    lane: str = LANE
    blobs: Blobs = field(default_factory=dict)
    """Every image that `play` may show."""

    async def run(self) -> None:
        while True:
            with contextlib.suppress(Unavailable):
                await self._some()

    async def _some(self) -> None:
        run_id = await self.queue.active_run(self.lane)
        if run_id is None:
            await asyncio.sleep(0.002)
            return
        for claim in await self.queue.claim(run_id, "w", 3, 0.05):
            await self._one(run_id, claim)

    async def _one(self, run_id: str, claim: Any) -> None:
        while not fits(claim.spec, weights := await self.queue.weights(self.lane)):
            if await self.queue.active_run(self.lane) != run_id:
                return
            await self.queue.watch_weights(self.lane, weights, 0.05)
        assert weights is not None
        self.played.append(claim.spec.episode_id)
        await self.queue.commit(run_id, "w", Played(claim, self.play(claim.spec, weights), self.blobs))

    @asynccontextmanager
    async def working(self) -> AsyncIterator["Worker"]:
        task = asyncio.create_task(self.run())
        try:
            yield self
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


def no_demonstrations(_config: RunConfig) -> Any:
    raise AssertionError("an RL run asked for demonstrations")


def station(queue: Queue, **parts: Any) -> Station:
    chosen = {
        "lane": LANE,
        "replan_seconds": 5.0,
        "make_learner": HashLearner,
        "make_demonstrations": no_demonstrations,
        "open_scalars": lambda _folder, _update: Silent(),
    }
    return Station(queue=queue, **chosen | parts)


@dataclass
class Life:
    """One life of run `r` in a folder."""

    config: RunConfig
    folder: Path
    station: Station
    control: Control = field(default_factory=Control)

    def __post_init__(self) -> None:
        self.folder.mkdir(exist_ok=True)
        self.reports = Reports(self.folder / "reports.jsonl")
        self.loop = Loop("r", self.config, self.folder, self.station, self.control, self.reports)

    async def live(self) -> End:
        fresh = not (self.folder / "began").exists()
        (self.folder / "began").touch()
        return await self.loop.run(fresh=fresh)

    async def killed_at(self, update: int, kind: str) -> None:
        """Lives until the report of that kind and update, then dies without a word."""
        task = asyncio.ensure_future(self.live())
        async for report in self.reports.watch(0):
            if report.kind == kind and report.update == update and "restored" not in report.metrics:
                break
        task.cancel()
        await asyncio.wait({task})

    @property
    def history(self) -> str:
        """The weights published last."""
        return max((self.folder / "weights").glob("*/model.bin")).read_text()

    def lines(self, kind: str) -> list[Report]:
        return [report for report in self.reports.all() if report.kind == kind]


class ToyEnvironment(environment_pb2_grpc.EnvironmentServiceServicer):
    """Demonstrates seed + 1 in words, and refuses what the real one would."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, int]] = []
        self.sessions: set[str] = set()

    async def CreateSessions(self, request: Any, context: Any) -> Any:
        if request.environment.name != "toy":
            raise InvalidArgument(f"no environment '{request.environment.name}'; hosted: toy")
        self.sessions |= {session.session_id for session in request.sessions}
        return environment_pb.CreateSessionsResponse()

    async def CloseSessions(self, request: Any, context: Any) -> Any:
        self.sessions -= set(request.session_ids)
        return environment_pb.CloseSessionsResponse()

    async def Demonstrate(self, request: Any, context: Any) -> AsyncIterator[Any]:
        if request.style != "expert":
            raise InvalidArgument(f"no demonstrations of style '{request.style}'; it has: expert")
        self.asked.append((request.seed, request.count))
        for seed in range(request.seed, request.seed + request.count):
            yield environment_pb.DemonstrateResponse(
                seed=seed,
                messages=[
                    Message(role=ROLE_USER, parts=[Part(text="a b "), Part(text="c")]),
                    Message(role=ROLE_ASSISTANT, parts=[Part(text="d " * (seed % 3 + 1))]),
                ],
                weights=[1.0],
            )

    def mount(self) -> Mount:
        return Mount(
            environment_pb.DESCRIPTOR.services_by_name["EnvironmentService"],
            environment_pb2_grpc.add_EnvironmentServiceServicer_to_server,
            self,
        )
