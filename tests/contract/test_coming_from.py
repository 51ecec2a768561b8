"""docs/coming-from.md: every key that it names is one of a run's."""

import re
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from farfield_trainer.run_config import RunConfig

PAGE = (Path(__file__).parents[2] / "docs" / "coming-from.md").read_text()
FIRST_CELLS = [row.split("|")[1] for row in PAGE.splitlines() if row.startswith("| `")]
KEYS = sorted(
    {key for cell in FIRST_CELLS for key in re.findall(r"`([a-z_]+(?:\.[a-z_]+)+|updates|max_\w+)`", cell)}
)


def models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in models_in(part)]


def exists(key: str) -> bool:
    """In one model at least of a union."""
    found: list[type[BaseModel]] = [RunConfig]
    for name in key.split("."):
        found = [model for model in found if name in model.model_fields]
        if not found:
            return False
        found = [inner for model in found for inner in models_in(model.model_fields[name].annotation)]
    return True


def test_the_page_names_keys() -> None:
    assert len(KEYS) > 15
    assert not exists("algorithm.kl.coeficient")


@pytest.mark.parametrize("key", KEYS)
def test_a_key_exists(key: str) -> None:
    assert exists(key)
