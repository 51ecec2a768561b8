import asyncio
from pathlib import Path

import pytest

from farfield_kernel.errors import Exhausted, FailedPrecondition
from farfield_trainer.control import Asked, Control, End, Saved


async def saved() -> Saved:
    return Saved(Path("here"), 3)


async def test_requests_are_served_while_waiting() -> None:
    control = Control(save=saved)
    arrived = asyncio.Event()
    waiting = asyncio.create_task(control.obeying(arrived.wait()))
    assert (await control.request_save()).update == 3
    assert not waiting.done()
    arrived.set()
    assert await waiting


async def test_the_end_interrupts_waiting() -> None:
    control = Control(save=saved)
    waiting = asyncio.create_task(control.obeying(asyncio.Event().wait()))
    await asyncio.sleep(0)
    control.end(End.STOPPED)
    with pytest.raises(Asked) as caught:
        await waiting
    assert caught.value.end is End.STOPPED


async def test_a_paused_run_saves_and_goes_on() -> None:
    control = Control(paused=True, save=saved)
    holding = asyncio.create_task(control.obey())
    assert (await control.request_save()).folder == Path("here")
    assert not holding.done()
    control.pause(False)
    await holding


async def test_a_checkpoint_that_fails_is_the_callers_error() -> None:
    async def full() -> Saved:
        raise Exhausted("full")

    control = Control(save=full)
    request = control.request_save()
    await control.obey()
    with pytest.raises(Exhausted, match="full"):
        await request


async def test_a_disk_that_fails_is_the_callers_error(tmp_path: Path) -> None:
    async def unwritable() -> Saved:
        (tmp_path / "gone" / "reports").write_text("")
        return await saved()

    control = Control(save=unwritable)
    request = control.request_save()
    await control.obey()
    with pytest.raises(FailedPrecondition, match="No such file or directory"):
        await request


async def test_a_bug_in_saving_ends_the_request_with_the_run() -> None:
    async def broken() -> Saved:
        raise ZeroDivisionError

    control = Control(save=broken)
    request = control.request_save()
    with pytest.raises(ZeroDivisionError):
        await control.obey()
    assert request.cancelled()


async def test_a_run_that_is_killed_while_it_saves_ends_the_request() -> None:
    saving = asyncio.Event()

    async def slow() -> Saved:
        saving.set()
        await asyncio.Event().wait()
        return await saved()

    control = Control(save=slow)
    request = control.request_save()
    obeying = asyncio.create_task(control.obey())
    await saving.wait()
    obeying.cancel()
    await asyncio.wait({obeying})
    assert obeying.cancelled()
    assert request.cancelled()


async def test_requests_at_the_end_are_cancelled() -> None:
    control = Control()
    request = control.request_save()
    control.abandon()
    assert request.cancelled()
