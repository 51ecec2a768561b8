"""The loop without services, for `loop.py`: engine, games, verifier and learner as objects in one process.

    python -m benchmarks.loop.one_process RUN.json ROWS OPEN

RUN.json is a run config of GeneralPoints; the engine decodes ROWS responses together, and OPEN episodes are
played at once. Writes a JSON list with a record of each update.
"""

import asyncio
import json
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import psutil
import uvloop

from farfield.trajectory.v1.trajectory_pb2 import EpisodeSpec, Trajectory
from farfield.types.v1 import types_pb2
from farfield_generalpoints import GeneralPoints, GeneralPointsVerifier
from farfield_kernel.wire import floats_to_bytes, ids_to_bytes, struct_to_dict
from farfield_model.chat import Message
from farfield_policy.config import TorchConfig
from farfield_policy.embedded.engine import open_engine
from farfield_policy.engine import Completion, FinishReason, Prompt, Sampling, Version
from farfield_rollout.seeds import turn_seed
from farfield_sdk import Attempt, State
from farfield_trainer.learning.learner import Learner
from farfield_trainer.planning import training_episodes
from farfield_trainer.run_config import RunConfig, run_config

RUN = "loop"
COUNTS = ("episodes", "episodes_failed", "turns", "response_tokens")
STATES = {
    State.CONTINUE: types_pb2.STATE_CONTINUE,
    State.TERMINATED: types_pb2.STATE_TERMINATED,
    State.TRUNCATED: types_pb2.STATE_TRUNCATED,
}


class Episode:
    """One episode, played by plain calls."""

    def __init__(self, spec: EpisodeSpec, game: GeneralPoints, verifier: GeneralPointsVerifier) -> None:
        self.trajectory = Trajectory(spec=spec)
        self._game, self._verifier = game, verifier
        self._sampling = Sampling(spec.sampling.max_new_tokens, spec.sampling.temperature)
        start = game.reset(spec.environment_seed)
        self._facts = start.facts
        self._past: list[int] = []
        self._new = tuple(Message(one.role, one.text) for one in start.observation.messages)

    def prompt(self) -> Prompt:
        seed = turn_seed(self.trajectory.spec.sampling_seed, len(self.trajectory.turns))
        return Prompt(self._sampling, prefix_ids=self._past, messages=self._new, seed=seed)

    def take(self, said: Completion) -> bool:
        """Whether the episode goes on after this response."""
        assert said.finish_reason is not FinishReason.CONTEXT
        outcome, number = self._game.step(said.text), len(self.trajectory.turns)
        attempt = Attempt(said.text, self._facts, number, outcome.success, outcome.state.value)
        verdict = self._verifier.verify(attempt)
        self._record(said, outcome.state).verdict.reward = verdict.reward
        self.trajectory.success, self.trajectory.end = outcome.success, STATES[outcome.state]
        self._past = [*said.prompt_ids, *said.response_ids]
        self._new = (Message("user", verdict.feedback),)
        return outcome.state is State.CONTINUE

    def _record(self, said: Completion, state: State):
        return self.trajectory.turns.add(
            prompt_ids=ids_to_bytes(said.prompt_ids),
            response_ids=ids_to_bytes(said.response_ids),
            logprobs=floats_to_bytes(said.logprobs),
            continues=bool(self._past),
            state=STATES[state],
        )


class OneProcess:
    """Made on a running event loop."""

    def __init__(self, config: RunConfig, rows: int, most: int, folder: Path) -> None:
        self._config, self._most, self._folder = config, most, folder
        self._engine = open_engine(TorchConfig(model=str(config.base), max_rows=rows))
        self._learner = Learner(config.algorithm.learner(config.deterministic), config.base, seed=config.seed)
        variant = GeneralPoints.variants[config.environment.variant].options
        self._rules = GeneralPoints.Options(**{**variant, **config.environment.options})
        rewards = struct_to_dict(config.reward_plan().leaf.options)
        self._verifier = GeneralPointsVerifier(GeneralPointsVerifier.Options(**rewards))

    async def run(self) -> list[dict]:
        updates = [await self._update(number) for number in range(self._config.updates)]
        await self._engine.close()
        return updates

    async def _update(self, number: int) -> dict:
        phases: dict[str, float] = defaultdict(float)
        if number:  # the engine began with version 0
            with timed(phases, "weights"):
                await self._hand_over(number)
        with timed(phases, "episodes"):
            played = await self._play(training_episodes(RUN, self._config, number))
        with timed(phases, "train"):
            metrics = self._learner.update(played)
        return {
            "ended": time.time(),
            "counts": {name: metrics[name] for name in COUNTS},
            "phases": phases,
            "cpu": {"one process": time.process_time()},
            "machine": sum(psutil.cpu_times()[:3]),
        }

    async def _hand_over(self, version: int) -> None:
        self._learner.save_pretrained(self._folder)
        await self._engine.load_weights(str(self._folder), Version(RUN, version))

    async def _play(self, specs: Sequence[EpisodeSpec]) -> list[Trajectory]:
        """What was answered goes on at once, and an episode that ended makes room for the next."""
        fresh = (Episode(spec, GeneralPoints(self._rules), self._verifier) for spec in specs)
        answered: list[tuple[Episode, asyncio.Future[Completion]]] = []
        news = asyncio.Event()
        played: list[Trajectory] = []
        going = list(islice(fresh, self._most))
        while True:
            self._send(going, lambda *answer: (answered.append(answer), news.set()))
            await news.wait()
            news.clear()
            batch, answered[:] = answered[:], []
            going = [episode for episode, said in batch if episode.take(said.result())]
            played += [one.trajectory for one, _ in batch if one not in going]
            if len(played) == len(specs):
                return sorted(played, key=lambda one: one.spec.index)
            going += islice(fresh, len(batch) - len(going))

    def _send(self, episodes: Sequence[Episode], told: Callable[[Episode, asyncio.Future], object]) -> None:
        futures = self._engine.submit([episode.prompt() for episode in episodes])
        for episode, future in zip(episodes, futures, strict=True):
            future.add_done_callback(lambda done, episode=episode: told(episode, done))


@contextmanager
def timed(phases: dict[str, float], name: str) -> Iterator[None]:
    started = time.perf_counter()
    yield
    phases[name] += time.perf_counter() - started


async def played(config: RunConfig, rows: int, most: int) -> list[dict]:
    with tempfile.TemporaryDirectory() as folder:
        return await OneProcess(config, rows, most, Path(folder)).run()


def main(file: str, rows: str, most: str) -> None:
    config = run_config(Path(file).read_text())
    print(json.dumps(uvloop.run(played(config, int(rows), int(most)))))


if __name__ == "__main__":
    main(*sys.argv[1:])
