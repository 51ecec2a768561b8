"""Which run a free lane plays next."""

import asyncio
from typing import Any

import pytest

from farfield_cli.experiment.definition.jobs import Job
from farfield_cli.lanes.board import Board, Fate

CONFIG: dict[str, Any] = {"updates": 1}


def job(arm: str, needs: str = "") -> Job:
    return Job(arm, 0, CONFIG, f"{needs}-s0" if needs else "")


SFT, RL, AFTER, LAST = job("sft"), job("rl"), job("after", "sft"), job("last", "after")


async def test_a_job_waits_for_what_it_starts_from() -> None:
    board = Board([SFT, AFTER])
    assert await board.next("a") is SFT
    waiting = asyncio.ensure_future(board.next("b"))
    await asyncio.sleep(0)
    assert not waiting.done()
    await board.ended(SFT, Fate.DONE)
    assert await waiting is AFTER
    assert await board.next("a") is None


async def test_a_failure_takes_those_with_it_that_start_from_it_and_no_other() -> None:
    board = Board([SFT, AFTER, LAST, RL])
    assert await board.next("a") is SFT
    assert await board.next("b") is RL
    await board.ended(SFT, Fate.FAILED)
    assert await board.next("a") is None
    assert board.fates == {
        "sft-s0": Fate.FAILED,
        "after-s0": Fate.LEFT_OUT,
        "last-s0": Fate.LEFT_OUT,
        "rl-s0": Fate.PLAYS,
    }


async def test_a_run_that_was_begun_goes_on_in_its_lane_before_others() -> None:
    board = Board([SFT, RL], bound={"rl-s0": "b"})
    assert await board.next("b") is RL
    assert await Board([SFT, RL], bound={"rl-s0": "b"}).next("a") is SFT
    assert await Board([RL], bound={"rl-s0": "b"}).next("a") is None


async def test_what_is_finished_is_not_played_again() -> None:
    board = Board([SFT, AFTER], done=["sft-s0"], bound={"sft-s0": "a"})
    assert await board.next("b") is AFTER


@pytest.mark.parametrize("lanes", [1, 2, 3])
async def test_every_job_is_played_once_with_any_number_of_lanes(lanes: int) -> None:
    board, played = Board([LAST, AFTER, SFT, RL]), []

    async def work(lane: str) -> None:
        while one := await board.next(lane):
            played.append(one.arm)
            await asyncio.sleep(0)
            await board.ended(one, Fate.DONE)

    await asyncio.gather(*(work(str(lane)) for lane in range(lanes)))
    assert sorted(played) == ["after", "last", "rl", "sft"]
    assert played.index("sft") < played.index("after") < played.index("last")
