"""Which taskset, and what may be said of it over the network."""

import os
from importlib.util import find_spec
from typing import Any

from pydantic import Field, field_validator

from farfield_sdk import Options, Split

ADMITTED = "FARFIELD_VERIFIERS_TASKSETS"
"""Variable of the environment's and the verifier's processes: the tasksets that they may import, with commas
between them. Options come over the network, and must not choose what is imported."""

_IN_TASK = frozenset({"judges", "stops", "metrics", "rewards"})
"""Keys of the library's task config that name code to import."""


class TasksetOptions(Options):
    taskset: str = Field(description=f"Id of an installed taskset that {ADMITTED} names.")
    config: dict[str, Any] = Field(
        default={}, description="The taskset's config, without what names code or files."
    )
    limit: int = Field(
        0, ge=0, description="Play the first so many tasks alone; an endless taskset needs it."
    )

    split: Split = Field(
        "all",
        description="Which tasks are played. A hash of the prompt holds out about one in five: `train` never "
        "plays those, `heldout` no others.",
    )

    @field_validator("taskset")
    @classmethod
    def _is_admitted(cls, taskset: str) -> str:
        check_admitted(taskset)
        if find_spec("verifiers") is None:
            raise ValueError("the library is not installed here: pip install 'farfield-verifiers[library]'")
        return taskset

    @field_validator("config")
    @classmethod
    def _names_no_code(cls, config: dict[str, Any]) -> dict[str, Any]:
        check_config(config)
        return config


def check_admitted(taskset: str) -> None:
    admitted = {name.strip() for name in os.environ.get(ADMITTED, "").split(",")}
    if taskset not in admitted:
        raise ValueError(f"this service may not import the taskset {taskset!r}: name it in {ADMITTED}")


def check_config(config: dict[str, Any]) -> None:
    task = config.get("task", {})
    refused: list[str] = [key for key in ("id", "system_prompt") if key in config]
    refused += [f"task.{key}" for key in sorted(_IN_TASK & set(task if isinstance(task, dict) else ()))]
    if refused:
        raise ValueError(f"{', '.join(refused)}: code and files are not named over the network")
