import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import sample_games

from farfield_gymnasium.adapter import GymnasiumGame


def made(game_id: str = "FrozenLake-v1", **options: Any) -> GymnasiumGame:
    return GymnasiumGame(GymnasiumGame.Options.model_validate({"id": game_id, **options}))


def echo(space: str, **options: Any) -> GymnasiumGame:
    return made("Echo-v0", kwargs={"space": space}, render="none", **options)


@pytest.fixture
def make() -> Any:
    """Makes sessions from a game's id and options."""
    return made


@pytest.fixture
def make_echo() -> Any:
    """Makes a session whose observations are its actions, in a named space."""
    assert sample_games.SPACES
    return echo
