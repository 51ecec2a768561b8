"""The short form of `make chaos`."""

import asyncio
from pathlib import Path

import pytest

from tests.chaos.fire import both
from tests.chaos.settings import SETTINGS

FAULTS = 16


@pytest.mark.e2e
@pytest.mark.timeout(1200)
def test_a_run_under_fire_ends_as_if_it_had_been_left_alone(tmp_path: Path) -> None:
    calm, fire = asyncio.run(both(tmp_path / "chaos", FAULTS, seed=1, setting=SETTINGS["torch"]))
    assert fire.wrong(calm) == []
    assert fire.restarts
    assert not calm.restarts
