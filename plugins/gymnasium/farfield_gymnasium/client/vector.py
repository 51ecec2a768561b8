"""Many episodes in lockstep, as `gymnasium.vector.VectorEnv`."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space, concatenate, create_empty_array

from farfield_gymnasium.client import episodes
from farfield_gymnasium.client.conversation import Observed, observation
from farfield_gymnasium.client.env import SEEDS, start_info, turn_info
from farfield_gymnasium.client.episodes import Episode, Task, Turn
from farfield_gymnasium.client.services import Services
from farfield_gymnasium.client.spaces import Words, observed

Steps = tuple[Any, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]


class FarfieldVectorEnv(VectorEnv):
    """`num_envs` times `FarfieldEnv`: every step is one batched call to each service, however many episodes.

    An episode that ended gives way to the next one by `autoreset_mode`: in the step after (the action is
    ignored there, the reward 0), or in the same step with ``final_obs`` and ``final_info`` in the infos.
    Seeds of later episodes are drawn from `np_random`.
    """

    def __init__(
        self,
        num_envs: int,
        environment: str,
        verifier: str,
        name: str,
        *,
        variant: str = "",
        options: Mapping[str, Any] | None = None,
        reward: str | Mapping[str, Any] | None = None,
        observe: Observed = "conversation",
        image_size: tuple[int, int] | None = None,
        token: str = "",
        ca: str = "",
        autoreset_mode: str | AutoresetMode = AutoresetMode.NEXT_STEP,
    ) -> None:
        self.autoreset_mode = AutoresetMode(autoreset_mode)
        if self.autoreset_mode is AutoresetMode.DISABLED:
            raise ValueError("autoreset_mode is 'Disabled': choose 'NextStep' or 'SameStep'")
        self.num_envs = num_envs
        self.metadata = {"render_modes": [], "autoreset_mode": self.autoreset_mode}
        self.single_observation_space, self.single_action_space = observed(image_size), Words()
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._task = self._played = Task.of(name, variant, options or {}, reward)
        self._observe, self._image_size = observe, image_size
        self._episodes: list[Episode] = []
        self._ended: list[int] = []
        self._services = Services(environment, verifier, token, ca)

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """`seed` n stands for n, n + 1, …; a sequence has one for each."""
        super().reset(seed=seed if isinstance(seed, int) else None)
        given = range(seed, seed + self.num_envs) if isinstance(seed, int) else seed or [None] * self.num_envs
        if len(given) != self.num_envs:
            raise ValueError(f"{len(given)} seeds for {self.num_envs} environments")
        seeds = [self._draw() if one is None else one for one in given]
        self._leave()
        self._played = self._task.over(options or {})
        self._episodes = episodes.start(self._services, self._played, seeds)
        return self._observations(), self._infos({i: start_info(one) for i, one in enumerate(self._episodes)})

    def step(self, actions: Sequence[str]) -> Steps:
        if len(actions) != self.num_envs:
            raise ValueError(f"{len(actions)} actions for {self.num_envs} environments")
        restarted = self._restart(self._ended)
        turns = self._play([i for i in range(self.num_envs) if i not in restarted], actions)
        infos = {i: turn_info(self._episodes[i], turn) for i, turn in turns.items()} | restarted
        ended = [i for i, turn in turns.items() if turn.terminated or turn.truncated]
        if self.autoreset_mode is AutoresetMode.SAME_STEP:
            final = {i: {"final_obs": self._seen(i), "final_info": infos[i]} for i in ended}
            infos |= {i: info | final[i] for i, info in self._restart(ended).items()}
        else:
            self._ended = ended
        return (
            self._observations(),
            self._filled(0.0, {i: turn.verdict.reward for i, turn in turns.items()}),
            self._filled(False, {i: turn.terminated for i, turn in turns.items()}),
            self._filled(False, {i: turn.truncated for i, turn in turns.items()}),
            self._infos(infos),
        )

    def close_extras(self, **kwargs: Any) -> None:
        self._leave()
        self._services.close()

    def _play(self, indices: list[int], actions: Sequence[str]) -> dict[int, Turn]:
        playing, said = [self._episodes[i] for i in indices], [actions[i] for i in indices]
        return dict(zip(indices, episodes.step(self._services, playing, said), strict=True))

    def _restart(self, indices: list[int]) -> dict[int, dict[str, Any]]:
        """Puts new episodes in the places of those that ended."""
        if not indices:
            return {}
        episodes.end(self._services, [self._episodes[i] for i in indices])
        started = episodes.start(self._services, self._played, [self._draw() for _ in indices])
        for i, episode in zip(indices, started, strict=True):
            self._episodes[i] = episode
        return {i: start_info(self._episodes[i]) for i in indices}

    def _leave(self) -> None:
        episodes.end(self._services, self._episodes)
        self._episodes, self._ended = [], []

    def _draw(self) -> int:
        return int(self.np_random.integers(SEEDS))

    def _seen(self, index: int) -> Any:
        return observation(self._episodes[index].conversation.shown(self._observe), self._image_size)

    def _observations(self) -> Any:
        space = self.single_observation_space
        seen = [self._seen(i) for i in range(self.num_envs)]
        empty: Any = create_empty_array(space, self.num_envs)
        return concatenate(space, seen, empty)

    def _filled(self, value: Any, given: Mapping[int, Any]) -> np.ndarray:
        return np.array([given.get(i, value) for i in range(self.num_envs)])

    def _infos(self, by_index: Mapping[int, dict[str, Any]]) -> dict[str, Any]:
        infos: dict[str, Any] = {}
        for index, info in by_index.items():
            infos = self._add_info(infos, info, index)
        return infos
