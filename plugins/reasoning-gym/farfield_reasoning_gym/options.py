"""Options of the environment. The library itself checks what concerns it."""

from typing import Any

from pydantic import Field, model_validator

from farfield_reasoning_gym.answers import AnswerForm
from farfield_reasoning_gym.tasks import Task
from farfield_sdk import Options, Revision, Split


class ReasoningGymOptions(Options):
    """Which task, how hard, and how often the policy may try."""

    dataset: str = Field(
        "chain_sum", description="Name of a reasoning-gym data set, e.g. `chain_sum` or `knights_knaves`."
    )
    config: dict[str, Any] = Field(
        default={}, description="Keys of the data set's own configuration, e.g. `{min_terms: 3}`."
    )
    level: int | None = Field(
        None,
        ge=0,
        description="Level of the data set's curriculum, from 0; `config` goes over it. Absent: the data "
        "set's defaults.",
    )
    split: Split = Field(
        "all",
        description="Which items are asked. A hash of the question holds out about one in five: `train` "
        "never asks those, `heldout` no others.",
    )
    max_turns: int = Field(1, ge=1, le=100, description="Attempts. 1: a single one; more: revision.")
    revision: Revision = Field(
        "verifier",
        description="`verifier`: what is wrong is said, and a right answer ends the episode; `blind`: "
        "`max_turns` attempts in every episode, each followed by a request for a correction that reveals "
        "nothing, and the last one decides.",
    )
    answer: AnswerForm = Field(
        "tag", description="`tag`: the answer is what stands in <answer>…</answer>; `whole`: the response."
    )

    @property
    def task(self) -> Task:
        return Task(self.dataset, self.level, self.config)

    @model_validator(mode="after")
    def _library_makes_it(self) -> "ReasoningGymOptions":
        self.task.check()
        return self
