from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import pytest

from farfield_reasoning_gym import ReasoningGym
from farfield_reasoning_gym.tasks import LIBRARY


@pytest.fixture(scope="session", autouse=True)
def library() -> Iterator[None]:
    """Its processes end with the tests."""
    if find_spec("reasoning_gym") is None:
        pytest.skip("reasoning-gym is not installed")
    yield
    LIBRARY.close()


def made(**options: Any) -> ReasoningGym:
    return ReasoningGym(ReasoningGym.Options.model_validate(options))


@pytest.fixture(scope="session")
def make() -> Any:
    """Makes sessions of the environment from options."""
    return made
