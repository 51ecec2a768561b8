"""The short form of `make failures`."""

import asyncio
from pathlib import Path

import pytest

from tests.chaos.failures import play


@pytest.mark.e2e
@pytest.mark.timeout(1800)
def test_a_failure_is_never_a_reward(tmp_path: Path) -> None:
    found = asyncio.run(play(tmp_path, updates=1, groups=32, seed=1))
    assert found.wrong == []
