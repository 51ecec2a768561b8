"""The environment: a Gymnasium game, one action a turn."""

from typing import Any

from gymnasium import Env

from farfield_gymnasium.adapter.guides import guide_of
from farfield_gymnasium.adapter.options import GymnasiumOptions
from farfield_gymnasium.adapter.pictures import characters, frame
from farfield_gymnasium.adapter.prompts import action_in, opening
from farfield_gymnasium.adapter.spaces import Illegal, read, said, unsayable
from farfield_sdk import Environment, Message, Observation, Outcome, Part, Start, State, Text, Variant, user

_DRY = {"id": "FrozenLake-v1", "kwargs": {"is_slippery": False}}
VARIANTS = {
    "lake": Variant("id", "FrozenLake, 4 by 4, on ice that is not slippery.", _DRY),
    "lake-8x8": Variant(
        "ood",
        "The same, 8 by 8.",
        {"id": "FrozenLake8x8-v1", "kwargs": {"is_slippery": False}},
    ),
    "lake-slippery": Variant("ood", "4 by 4, on slippery ice.", {"id": "FrozenLake-v1"}),
    "cliff": Variant("other", "CliffWalking.", {"id": "CliffWalking-v1"}),
    "taxi": Variant("other", "Taxi.", {"id": "Taxi-v4"}),
    "blackjack": Variant("other", "Blackjack.", {"id": "Blackjack-v1"}),
}


class GymnasiumGame(Environment[GymnasiumOptions]):
    """A game of Gymnasium with discrete or small spaces, told and played in words."""

    name = "gymnasium"
    version = "1.0.0"
    Options = GymnasiumOptions
    variants = VARIANTS
    modalities = frozenset({"text", "image"})
    executor = "thread"

    def __init__(self, options: GymnasiumOptions) -> None:
        super().__init__(options)
        self._game: Env = options.make()
        self._guide = guide_of(options.id)
        self._limit, self._names = options.limit, options.names
        self._sayable = not unsayable(self._game.observation_space)

    def reset(self, seed: int) -> Start:
        self._seen, _ = self._game.reset(seed=seed)
        self._turns, self._return = 0, 0.0
        rules = self.options.rules if self.options.rules is not None else self._rules()
        told = opening(rules, self._game.action_space, self._names, self.options.action)
        return Start(Observation((self._show(told + "\n\n"),)), self._facts(None, ""))

    def step(self, response: str) -> Outcome:
        """An illegal action is a turn in which nothing happens."""
        self._turns += 1
        try:
            words = action_in(response, self.options.action)
            action = read(self._game.action_space, words, self._names)
        except Illegal as illegal:
            return self._outcome(State.CONTINUE, 0.0, str(illegal))
        self._seen, reward, terminated, truncated, _ = self._game.step(action)
        self._return += float(reward)
        ended = State.TERMINATED if terminated else State.TRUNCATED if truncated else State.CONTINUE
        return self._outcome(ended, float(reward), "")

    def _outcome(self, state: State, reward: float, illegal: str) -> Outcome:
        if state is State.CONTINUE and self._turns >= self._limit:
            state = State.TRUNCATED
        goes_on = state is State.CONTINUE
        return Outcome(
            state,
            success=not goes_on and self._solved(state),
            observation=Observation((self._show(),)) if goes_on else Observation(),
            facts=self._facts(reward, illegal),
            metrics={"return": self._return, "legal": float(not illegal)},
        )

    def _solved(self, state: State) -> bool:
        rule = self.options.solved
        if rule is None:
            rule = self._guide.solved if self._guide else None
        if rule == "terminated":
            return state is State.TERMINATED
        return self._return > 0 if rule is None else self._return >= float(rule)

    def _facts(self, reward: float | None, illegal: str) -> dict[str, Any]:
        """The reward of the turn just taken; none before the first."""
        return {
            "id": self.options.id,
            "turn": self._turns,
            "reward": reward,
            "return": self._return,
            "illegal": illegal,
        }

    def _rules(self) -> str:
        return self._guide.rules if self._guide else ""

    def _show(self, before: str = "") -> Message:
        """The observation in words, and what the game renders."""
        told = [self._told()] if self._sayable else []
        parts: list[Part] = []
        if self.options.mode == "ansi":
            told.append(characters(self._game.render()))
        elif self.options.mode:
            parts.append(frame(self._game.render()))
        return user(*parts, Text(before + "\n\n".join(told)))

    def _told(self) -> str:
        if self._guide:
            return self._guide.tell(self._game.unwrapped, self._seen)
        return f"Observation: {said(self._seen)}"
