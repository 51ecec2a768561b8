"""A simulation of the loop for `scale_model.py`: who waits for what, moment by moment. Nothing is measured.

Workers take planned episodes from the queue; each turn takes a row of a policy replica for as long as its
response lasts, then CPU of policy, worker, environment and verifier; the commit takes Redis, and the trainer
collects. The trainer plans batches as far ahead as staleness allows, learns from one that is complete, and
publishes weights, which every replica loads after a while; a prompt waits for a version that is new enough.
Left out: failures, caches, the time of a message on its way, and prompts that change weights on their way.
"""

import random
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import simpy

Steps = Iterator[simpy.Event]


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU seconds."""

    episode: float
    turn: float

    def of(self, turns: int) -> float:
        return self.episode + self.turn * turns


Costs = Mapping[str, Cost]
"""By kind of process: worker, environment, verifier, policy, redis, trainer."""
_ANY = (0, 0)
"""An episode of update 0 under version 0."""
PER_TURN = ("policy", "worker", "environment", "verifier")


@dataclass(frozen=True, slots=True)
class System:
    workers: int
    concurrency: int = 8
    turns: int = 5
    response_seconds: float = 2.0
    spread: float = 0.5
    """Of the logarithm of a response's seconds; 0: all alike."""
    replicas: int = 64
    rows: int = 64
    """Of each replica."""
    environments: int = 1
    verifiers: int = 1
    cores: float = 0.0
    """That all processes share; 0: each has one of its own."""


@dataclass(frozen=True, slots=True)
class Training:
    batch: int
    """Episodes of an update."""
    train_seconds: float
    staleness: int = 0
    load_seconds: float = 0.0
    """The last replica has new weights so long after they are published; the others before it, evenly."""


@dataclass(slots=True)
class Seen:
    """What came out."""

    updates: list[float] = field(default_factory=list)
    """When each ended."""
    ages: list[Counter[int]] = field(default_factory=list)
    """Of each update: its turns by how many versions older than the update's own drew them."""
    episodes: list[float] = field(default_factory=list)
    """When each was collected."""


class World:
    def __init__(self, system: System, costs: Costs, seed: int = 0) -> None:
        self.system, self.costs, self.seen = system, costs, Seen()
        self._clock = simpy.Environment()
        self._random = random.Random(seed)
        self._work = simpy.Store(self._clock)
        self._rows = [simpy.Resource(self._clock, system.rows) for _ in range(system.replicas)]
        self._served = [0] * system.replicas
        self._loaded = [self._clock.event() for _ in range(system.replicas)]
        self._machine = simpy.Resource(self._clock, max(1, round(system.cores)))
        self._busy = {kind: simpy.Resource(self._clock, count) for kind, count in self._processes().items()}
        self._endless = False
        self._arrived: Counter[int] = Counter()
        self._arrival = self._clock.event()
        self._ages: Counter[tuple[int, int]] = Counter()
        for slot in range(system.workers * system.concurrency):
            self._clock.process(self._play(f"worker {slot % system.workers}"))

    def _processes(self) -> dict[str, int]:
        system = self.system
        many = {f"worker {number}": 1 for number in range(system.workers)}
        services = {
            "environment": system.environments,
            "verifier": system.verifiers,
            "policy": system.replicas,
        }
        return {**many, **services, "redis": 1, "trainer": 1}

    def steady(self, seconds: float, warm: float) -> float:
        """Episodes per second with work always at hand, after a warm-up."""
        self._endless = True
        for _ in range(2 * self.system.workers * self.system.concurrency):
            self._work.put(_ANY)
        self._clock.run(until=warm + seconds)
        return sum(at > warm for at in self.seen.episodes) / seconds

    def train(self, training: Training, updates: int) -> Seen:
        done = self._clock.process(self._learn(training, updates))
        self._clock.run(until=done)
        self.seen.ages += [Counter() for _ in range(updates)]
        for (update, age), turns in self._ages.items():
            if update < updates:
                self.seen.ages[update][age] += turns
        return self.seen

    # The trainer

    def _learn(self, training: Training, updates: int) -> Steps:
        planned = 0
        for update in range(updates):
            self._publish(update, training.load_seconds)
            while planned <= update + training.staleness:
                for _ in range(training.batch):
                    yield self._work.put((planned, planned - training.staleness))
                planned += 1
            while self._arrived[update] < training.batch:
                yield self._arrival
            yield self._clock.timeout(training.train_seconds)
            self.seen.updates.append(self._clock.now)

    def _publish(self, version: int, load_seconds: float) -> None:
        for replica in range(self.system.replicas):
            share = (replica + 1) / self.system.replicas if version else 0.0
            self._clock.process(self._load(replica, version, load_seconds * share))

    def _load(self, replica: int, version: int, seconds: float) -> Steps:
        yield self._clock.timeout(seconds)
        self._served[replica] = max(version, self._served[replica])
        loaded, self._loaded[replica] = self._loaded[replica], self._clock.event()
        loaded.succeed()

    # A place of a worker

    def _play(self, worker: str) -> Steps:
        redis, turns = self.costs["redis"], self.system.turns
        while True:
            update, oldest = yield self._work.get()
            replica = self._random.randrange(self.system.replicas)
            yield from self._use("redis", redis.of(turns) / 2)
            for kind in PER_TURN:
                yield from self._use(worker if kind == "worker" else kind, self.costs[kind].episode)
            for _ in range(turns):
                yield from self._turn(worker, replica, update, oldest)
            yield from self._use("redis", redis.of(turns) / 2)
            yield from self._use("trainer", self.costs["trainer"].of(turns))
            self._collected(update)

    def _turn(self, worker: str, replica: int, update: int, oldest: int) -> Steps:
        while self._served[replica] < oldest:
            yield self._loaded[replica]
        with self._rows[replica].request() as row:
            yield row
            self._ages[update, update - self._served[replica]] += 1
            yield self._clock.timeout(self._response())
        for kind in PER_TURN:
            yield from self._use(worker if kind == "worker" else kind, self.costs[kind].turn)

    def _response(self) -> float:
        mean, spread = self.system.response_seconds, self.system.spread
        return mean * self._random.lognormvariate(-(spread**2) / 2, spread) if spread else mean

    def _collected(self, update: int) -> None:
        self._arrived[update] += 1
        self.seen.episodes.append(self._clock.now)
        if self._endless:
            self._work.put(_ANY)
        arrival, self._arrival = self._arrival, self._clock.event()
        arrival.succeed()

    def _use(self, process: str, seconds: float) -> Steps:
        """A process does one thing at a time; where cores are shared it needs one of them too."""
        with self._busy[process].request() as turn:
            yield turn
            if not self.system.cores:
                yield self._clock.timeout(seconds)
                return
            with self._machine.request() as core:
                yield core
                yield self._clock.timeout(seconds * self._machine.capacity / self.system.cores)
