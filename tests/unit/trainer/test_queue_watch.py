"""What `/metrics` says of the lane's queue."""

from farfield.trajectory.v1.trajectory_pb2 import EpisodeSpec, Trajectory
from farfield_kernel.errors import Unavailable
from farfield_kernel.metrics import REGISTRY
from farfield_kernel.queue.contract import Footprint, Played
from farfield_kernel.queue.memory import MemoryQueue
from farfield_trainer.reporting.queue_watch import STATES, QueueWatch

LANE = "watched"


class Queue(MemoryQueue):
    """Can be away, and says how full it is."""

    away = False

    async def footprint(self) -> Footprint:
        if self.away:
            raise Unavailable("Redis cannot be reached")
        return Footprint(used_bytes=30, limit_bytes=40, evicted=2)


def value(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(f"farfield_queue_{name}", {"lane": LANE, **labels})


def states() -> list[float | None]:
    return [value("episodes", state=state) for state in STATES]


async def test_an_idle_lane_has_an_empty_queue() -> None:
    await QueueWatch(Queue(), LANE, 1).look()
    assert states() == [0, 0, 0, 0]
    assert value("oldest_seconds") == 0
    assert value("up") == 1


async def test_the_episodes_of_the_lanes_run_are_counted_by_where_they_are() -> None:
    queue = Queue()
    await queue.activate(LANE, "run")
    await queue.plan("run", [EpisodeSpec(episode_id=f"e/{number}") for number in range(6)])
    first, second, _ = await queue.claim("run", "worker", 3, 0)
    await queue.commit_many(
        "run", "worker", [Played(one, Trajectory(spec=one.spec)) for one in (first, second)]
    )
    await queue.collect("run", 1, 0)
    await QueueWatch(queue, LANE, 1).look()
    assert states() == [3, 1, 1, 1]
    assert (value("oldest_seconds") or 0) > 0
    assert (value("memory_bytes"), value("memory_limit_bytes"), value("evicted_keys")) == (30, 40, 2)


async def test_a_queue_that_is_away_shows_no_old_numbers() -> None:
    queue = Queue()
    watch = QueueWatch(queue, LANE, 1)
    await watch.look()
    queue.away = True
    await watch.look()
    assert value("up") == 0
    assert states() == [None] * 4
    assert value("memory_bytes") is None
    queue.away = False
    await watch.look()
    assert value("up") == 1
    assert states() == [0, 0, 0, 0]
