import asyncio

from farfield.environment.v1 import environment_pb2 as pb
from farfield_environment.outbox import MOST_WAITING, Outbox


async def wait(gate: asyncio.Future[None], name: str) -> pb.StepResult:
    await gate
    return pb.StepResult(session_id=name)


def names(response: pb.RolloutResponse) -> list[str]:
    return [result.session_id for result in response.results]


async def test_what_is_ready_goes_together() -> None:
    outbox = Outbox()
    for name in "abc":
        outbox.add(name, 0)
    assert outbox.take_back().session_id == "c"
    outbox.close()
    assert [names(response) async for response in outbox] == [["a", "b"]]


async def test_a_waiting_stream_is_woken() -> None:
    outbox = Outbox()
    response = asyncio.ensure_future(anext(outbox))
    await asyncio.sleep(0)
    outbox.add("a", 0)
    outbox.send()
    assert names(await response) == ["a"]
    outbox.close()
    assert [response async for response in outbox] == []


async def test_it_ends_when_nothing_is_awaited_any_more() -> None:
    outbox = Outbox()
    slow, fast = asyncio.Future[None](), asyncio.Future[None]()
    outbox.wait_for(wait(slow, "slow"))
    outbox.wait_for(wait(fast, "fast"))
    outbox.close()
    fast.set_result(None)
    assert names(await anext(outbox)) == ["fast"]
    rest = asyncio.ensure_future(anext(outbox))
    await asyncio.sleep(0)
    assert not rest.done()
    slow.set_result(None)
    assert names(await rest) == ["slow"]
    assert [response async for response in outbox] == []


async def test_a_cancelled_result_is_not_waited_for() -> None:
    outbox = Outbox()
    lost = asyncio.Future[None]()
    outbox.wait_for(wait(lost, "lost"))
    outbox.close()
    await asyncio.sleep(0)
    lost.cancel()
    assert [response async for response in outbox] == []


async def test_a_slow_reader_holds_the_writer_back() -> None:
    outbox = Outbox()
    for number in range(MOST_WAITING):
        outbox.add(str(number), number)
    waiting = asyncio.ensure_future(outbox.room())
    await asyncio.sleep(0)
    assert not waiting.done()
    assert len(names(await anext(outbox))) == MOST_WAITING
    await waiting
