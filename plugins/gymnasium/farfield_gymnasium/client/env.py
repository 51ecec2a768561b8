"""One episode at a time, as `gymnasium.Env`."""

from collections.abc import Mapping
from typing import Any, ClassVar

import gymnasium

from farfield_gymnasium.client import episodes
from farfield_gymnasium.client.conversation import Observed, observation, plain, text_of
from farfield_gymnasium.client.episodes import Episode, Task, Turn
from farfield_gymnasium.client.services import Services
from farfield_gymnasium.client.spaces import Words, observed

SEEDS = 2**63 - 1


class FarfieldEnv(gymnasium.Env):
    """An action is the policy's whole response, an observation the conversation so far, or with
    ``observe="new"`` what is new in it; with `image_size` (height, width) a dictionary of text and images.

    The reward is the verifier's, under `reward`: a verifier's name or a plan as JSON. A turn that cannot be
    graded raises ServiceError: it has no reward. `info` holds what a learner may know, never the facts. The
    seed of `reset` names the episode; without one it is drawn from `np_random`. Its `options` are laid over
    those of the environment.
    """

    metadata: ClassVar[dict[str, Any]] = {"render_modes": ["ansi"], "render_fps": 1}  # type: ignore[misc]

    def __init__(
        self,
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
        render_mode: str | None = None,
    ) -> None:
        self._task = Task.of(name, variant, options or {}, reward)
        self._observe, self._image_size = observe, image_size
        self.observation_space, self.action_space = observed(image_size), Words()
        self.render_mode = render_mode
        self._episode: Episode | None = None
        self._services = Services(environment, verifier, token, ca)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        chosen = int(self.np_random.integers(SEEDS)) if seed is None else seed
        self._leave()
        (self._episode,) = episodes.start(self._services, self._task.over(options or {}), [chosen])
        return self._seen(self._episode), start_info(self._episode)

    def step(self, action: str) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        if self._episode is None:
            raise gymnasium.error.ResetNeeded("call reset before step")
        (turn,) = episodes.step(self._services, [self._episode], [action])
        seen, info = self._seen(self._episode), turn_info(self._episode, turn)
        return seen, turn.verdict.reward, turn.terminated, turn.truncated, info

    def render(self) -> str | None:  # type: ignore[override]
        """The conversation in text."""
        if self.render_mode is None or self._episode is None:
            return None
        return text_of(self._episode.conversation.all)

    def close(self) -> None:
        self._leave()
        self._services.close()

    def _seen(self, episode: Episode) -> Any:
        return observation(episode.conversation.shown(self._observe), self._image_size)

    def _leave(self) -> None:
        if self._episode:
            episodes.end(self._services, [self._episode])
            self._episode = None


def start_info(episode: Episode) -> dict[str, Any]:
    return {"seed": episode.seed, "messages": plain(episode.conversation.new)}


def turn_info(episode: Episode, turn: Turn) -> dict[str, Any]:
    """`messages` are the new ones, as chat templates take them; `terms` what the reward is made of."""
    verdict, outcome = turn.verdict, turn.outcome
    return {
        "seed": episode.seed,
        "turn": outcome.turn,
        "success": outcome.success,
        "correct": verdict.correct,
        "parseable": verdict.parseable,
        "feedback": verdict.feedback,
        "terms": dict(verdict.terms),
        "metrics": dict(outcome.metrics),
        "messages": plain(episode.conversation.new),
    }
