"""The short form of `python -m tests.chaos.loris`."""

import asyncio
from pathlib import Path

import pytest

from tests.chaos.loris import play

CONNECTIONS = 100
KINDS = ("opens a call and sends half a request", "sends a byte a second", "sends and never reads")
MIB_EACH = 1.5
"""What a connection may cost while it is held."""


@pytest.mark.e2e
@pytest.mark.timeout(900)
def test_slow_callers_are_let_go_of_and_hurt_nobody_else(tmp_path: Path) -> None:
    alone, *attacked = asyncio.run(play(tmp_path, CONNECTIONS, seconds=2, kinds=KINDS))
    assert [one.kind for one in attacked if "held" in one.ended] == []
    assert max(one.resident_mib for one in attacked) < alone.resident_mib + CONNECTIONS * MIB_EACH
    assert max(one.after_descriptors for one in attacked) <= alone.after_descriptors + 2
