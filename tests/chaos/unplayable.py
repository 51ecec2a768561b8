"""Faults that no plugin commits: sessions that are lost, and plans that those who are asked cannot play."""

import asyncio
from collections.abc import Mapping, Sequence

from farfield.environment.v1.environment_pb2 import CloseSessionsRequest
from farfield.environment.v1.environment_pb2_grpc import EnvironmentServiceStub
from farfield.trajectory.v1.trajectory_pb2 import EpisodeSpec, Trajectory
from farfield_kernel.client import ClientConfig, channel
from farfield_kernel.queue.opening import connect
from farfield_kernel.weights import Weights
from farfield_rollout.episode import session_id_of
from tests.chaos.classes import ANOTHER_CONTRACT, ANOTHER_VERSION, OTHER_WEIGHTS
from tests.chaos.failing_stack import LANE, STRANGER, Place
from tests.chaos.faulty import LOST, Order

_LOOK_SECONDS = 0.05
_NEVER = 99
"""A version that no run here comes to."""


async def lose_sessions(
    place: Place, run_id: str, twins: Mapping[str, Trajectory], orders: Sequence[Order]
) -> None:
    """Closes each session that an order says, while its judge waits, until it is cancelled."""
    names = {one.spec.environment_seed: name for name, one in twins.items()}
    waiting = {order.seed for order in orders if order.fault in LOST}
    async with channel(ClientConfig(address=place.stack.plan.environment)) as opened:
        environment = EnvironmentServiceStub(opened)
        while waiting:
            for seed in [seed for seed in waiting if place.orders.done(seed)]:
                spec = EpisodeSpec(episode_id=f"{run_id}/{names[seed]}", run_id=run_id)
                await environment.CloseSessions(CloseSessionsRequest(session_ids=[session_id_of(spec, 1)]))
                waiting.discard(seed)
            await asyncio.sleep(_LOOK_SECONDS)


def _unplayable(spec: EpisodeSpec, weights: Weights) -> dict[str, EpisodeSpec]:
    """By fault; "" is one that can be played."""
    plans = {fault.fault: EpisodeSpec() for fault in (ANOTHER_VERSION, ANOTHER_CONTRACT, OTHER_WEIGHTS)}
    plans[""] = EpisodeSpec()
    for number, plan in enumerate(plans.values()):
        plan.CopyFrom(spec)
        plan.episode_id = f"{weights.run_id}/unplayable/000000/{number:04d}"
        plan.run_id, plan.policy_version = weights.run_id, weights.version
    plans[ANOTHER_VERSION.fault].environment.version = "9.9.9"
    plans[ANOTHER_CONTRACT.fault].environment.name = STRANGER
    plans[OTHER_WEIGHTS.fault].policy_version = _NEVER
    return plans


async def play_unplayable(place: Place, run_id: str, spec: EpisodeSpec) -> dict[str, Trajectory]:
    """What becomes of plans under a run whose weights are served; by fault."""
    queue = connect(place.stack.plan.redis)
    try:
        weights = await queue.weights(LANE)
        assert weights is not None
        assert weights.run_id == run_id
        plans = _unplayable(spec, weights)
        await queue.activate(LANE, run_id)
        await queue.plan(run_id, list(plans.values()))
        found: dict[str, Trajectory] = {}
        async with asyncio.timeout(300):
            while len(found) < len(plans):
                for item in await queue.collect(run_id, len(plans), 5):
                    found[item.trajectory.spec.episode_id] = item.trajectory
        await queue.deactivate(LANE, run_id)
        await queue.drop(run_id)
    finally:
        await queue.close()
    return {fault: found[plan.episode_id] for fault, plan in plans.items()}
