"""Games with spaces of every kind. Importing this module registers them."""

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces


class Echo(gymnasium.Env):
    """The observation is the last action; the reward 1. `space` names the space of both."""

    metadata: dict[str, Any] = {"render_modes": ["rgb_array", "ansi"], "render_fps": 1}  # noqa: RUF012

    def __init__(self, space: str = "discrete", render_mode: str | None = None) -> None:
        self.action_space = SPACES[space]
        self.observation_space = SPACES[space]
        self.render_mode = render_mode

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=seed)
        self.observation_space.seed(seed)
        return self.observation_space.sample(), {}

    def step(self, action: Any) -> Any:
        return action, 1.0, False, False, {}

    def render(self) -> Any:
        if self.render_mode == "ansi":
            return "\x1b[41m@\x1b[0m."
        return np.full((4, 6, 3), 200, np.uint8)


class Pixels(Echo):
    """Observations that are a picture."""

    def __init__(self, render_mode: str | None = None) -> None:
        super().__init__(render_mode=render_mode)
        self.observation_space = spaces.Box(0, 255, (8, 8, 3), np.uint8)


SPACES: dict[str, gymnasium.Space] = {
    "discrete": spaces.Discrete(3, start=5),
    "text": spaces.Text(5, min_length=2, charset="abc"),
    "multi-discrete": spaces.MultiDiscrete([2, 3]),
    "multi-binary": spaces.MultiBinary(3),
    "box": spaces.Box(-1.0, 1.0, (2,), np.float32),
    "whole-box": spaces.Box(0, 200, (2,), np.uint8),
    "tuple": spaces.Tuple((spaces.Discrete(2), spaces.Box(0.0, 1.0, ()))),
    "dict": spaces.Dict({"move": spaces.Discrete(2), "say": spaces.Text(3)}),
    "sequence": spaces.Sequence(spaces.Discrete(2)),
}
gymnasium.register("Echo-v0", Echo)
gymnasium.register("Pixels-v0", Pixels)
