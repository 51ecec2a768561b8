"""Options of the environment. A game that cannot be made or played in words is refused."""

from typing import Any, Literal

import gymnasium
from gymnasium import spaces
from pydantic import Field, model_validator

from farfield_gymnasium.adapter.guides import Solved, guide_of
from farfield_gymnasium.adapter.spaces import unsayable
from farfield_sdk import Options

ActionForm = Literal["tag", "last"]
Render = Literal["auto", "none", "ansi", "image"]
_MODES = {"ansi": "ansi", "image": "rgb_array"}
_OURS = ("render_mode", "max_episode_steps")
MAX_STEPS = 100
"""Where neither the option nor the game says."""


class GymnasiumOptions(Options):
    """Which game, and how it is played in words."""

    id: str = Field(
        "Taxi-v4",
        description="A registered game, e.g. `FrozenLake-v1`; `module:Name-v0` imports the module that "
        "registers it.",
    )
    kwargs: dict[str, Any] = Field(
        default={}, description="Arguments of the game, e.g. `{is_slippery: false}`."
    )
    max_steps: int | None = Field(
        None,
        ge=1,
        description=f"Turns before the episode is cut off, illegal ones included. Absent: the game's own "
        f"limit, or {MAX_STEPS}.",
    )
    render: Render = Field(
        "auto",
        description="What is shown beside the observation in words: `ansi`, the game in characters; `image`, "
        "its frame; `none`; `auto`, `ansi` where the game has it.",
    )
    action: ActionForm = Field(
        "tag",
        description="`tag`: the action is what stands in <action>…</action>; `last`: the last word or whole "
        "number of the response.",
    )
    rules: str | None = Field(
        None, description="What the player is told of the game; absent: what is known of it, if anything."
    )
    actions: tuple[str, ...] = Field(
        (), description="Names of the actions 0, 1, … of a discrete game; empty: those that are known."
    )
    solved: Solved | None = Field(
        None,
        description="`terminated`: an episode that ends by itself is a success; a number: one whose return "
        "is at least that. Absent: as is known of the game, or a return above 0.",
    )

    @property
    def names(self) -> tuple[str, ...]:
        """Of the actions, in lower case."""
        guide = guide_of(self.id)
        return tuple(name.lower() for name in self.actions) or (guide.actions if guide else ())

    def make(self) -> gymnasium.Env:
        """The game, without a limit of its own: steps are counted by whoever plays it."""
        return gymnasium.make(
            self.id, render_mode=self.mode, max_episode_steps=-1, disable_env_checker=True, **self.kwargs
        )

    @property
    def mode(self) -> str | None:
        """The game's render mode."""
        if self.render != "auto":
            return _MODES.get(self.render)
        return "ansi" if "ansi" in _render_modes(self.id) else None

    @property
    def limit(self) -> int:
        return self.max_steps or gymnasium.spec(self.id).max_episode_steps or MAX_STEPS

    @model_validator(mode="after")
    def _playable(self) -> "GymnasiumOptions":
        for key in _OURS:
            if key in self.kwargs:
                raise ValueError(f"kwargs.{key} is not taken: set `render` and `max_steps` instead")
        try:
            self._check_mode()
            with self.make() as game:
                self._check(game)
        except Exception as error:  # a game may raise anything
            raise ValueError(f"game '{self.id}': {error}") from error
        return self

    def _check_mode(self) -> None:
        known = _render_modes(self.id)
        if self.mode and self.mode not in known:
            raise ValueError(f"it has no render mode '{self.mode}', but {', '.join(known) or 'none'}")

    def _check(self, game: gymnasium.Env) -> None:
        if why := unsayable(game.action_space):
            raise ValueError(f"its actions are {why}: they cannot be read from a response")
        if self.mode is None and (why := unsayable(game.observation_space)):
            raise ValueError(f"its observations are {why}: show them with `render: image` or `ansi`")
        if self.action == "last" and not isinstance(game.action_space, spaces.Discrete):
            raise ValueError("its actions are not discrete: read them with `action: tag`")
        named = isinstance(game.action_space, spaces.Discrete) and game.action_space.n
        if self.actions and len(self.actions) != named:
            raise ValueError(f"{len(self.actions)} names in `actions` for {named or 'no'} discrete actions")
        if self.mode:  # what it needs to draw may not be installed
            game.reset(seed=0)
            game.render()


def _render_modes(game_id: str) -> tuple[str, ...]:
    """Those of the game's class, which is imported and not yet made."""
    entry = gymnasium.spec(game_id).entry_point
    cls = gymnasium.envs.registration.load_env_creator(entry) if isinstance(entry, str) else entry
    return tuple(getattr(cls, "metadata", {}).get("render_modes", ()))
