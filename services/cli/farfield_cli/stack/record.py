"""The state folder: who runs there, written as `stack.json` for `status`, `down` and the other commands.

A lock on `lock` is held for as long as a supervisor lives, however it ends; the record alone proves nothing.
"""

import asyncio
import fcntl
import json
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from pydantic import Field

from farfield_kernel.config import Config
from farfield_kernel.errors import FailedPrecondition
from farfield_kernel.weights import write_durably

T = TypeVar("T")

_LOOK_SECONDS = 0.2
_RECORD, _LOCK = "stack.json", "lock"


class ProgramRecord(Config):
    name: str
    pid: int | None
    address: str
    log: Path
    state: str
    restarts: int


class LaneRecord(Config):
    trainer: str
    policy: str


class StackRecord(Config):
    supervisor: int
    """Process id."""
    started_at: float
    """Unix seconds."""
    ready: bool
    redis: str
    environment: str
    verifier: str
    lanes: dict[str, LaneRecord] = Field(default={})
    model: str = ""
    """The checkpoint whose tokenizer the policies use."""
    runs: Path
    keys: Path | None = None
    """Folder of what a secure stack is called with."""
    programs: tuple[ProgramRecord, ...]


def write(folder: Path, record: StackRecord) -> None:
    write_durably(folder / _RECORD, record.model_dump_json(indent=1).encode())


def read(folder: Path) -> StackRecord | None:
    """The stack that runs in this folder, if one does."""
    path = folder / _RECORD
    if not path.exists() or not is_locked(folder):
        return None
    return StackRecord.model_validate(json.loads(path.read_text()))


def clear(folder: Path) -> None:
    (folder / _RECORD).unlink(missing_ok=True)


def is_locked(folder: Path) -> bool:
    """Whether a supervisor lives here."""
    try:
        with (folder / _LOCK).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def check_free(folder: Path) -> None:
    """FailedPrecondition when a supervisor lives here."""
    if is_locked(folder):
        raise FailedPrecondition(_taken(folder))


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Holds the folder; FailedPrecondition when another supervisor does."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (folder / _LOCK).open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FailedPrecondition(_taken(folder)) from None
        yield


async def while_up(folder: Path, work: Awaitable[T]) -> T:
    """The work's result; FailedPrecondition when the stack goes down meanwhile."""
    task = asyncio.ensure_future(work)
    try:
        while not task.done():
            if not is_locked(folder):
                raise FailedPrecondition(
                    f"the stack in {folder} went down; start it again with `farfield up`, and its runs go on"
                )
            await asyncio.wait({task}, timeout=_LOOK_SECONDS)
        return task.result()
    finally:
        task.cancel()
        await asyncio.wait({task})


def _taken(folder: Path) -> str:
    record = read(folder)
    who = f" (process {record.supervisor})" if record else ""
    return (
        f"a stack runs in {folder} already{who}. See it with `farfield status --state {folder}`, end it with "
        f"`farfield down --state {folder}`, or give this one another folder with --state"
    )


def as_json(record: StackRecord) -> dict[str, Any]:
    return record.model_dump(mode="json")
