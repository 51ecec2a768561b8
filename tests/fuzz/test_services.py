"""The short form of `make fuzz` for services: with few cases, the same ones each time."""

import asyncio
from pathlib import Path

import pytest

from tests.fuzz.services import play


@pytest.mark.timeout(600)
def test_no_request_makes_a_service_answer_with_what_is_not_documented(tmp_path: Path) -> None:
    tally = asyncio.run(play(tmp_path, cases=5_200))
    assert tally.wrong == []
    assert tally.cases == 5_200
