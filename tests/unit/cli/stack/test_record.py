import asyncio
import os
import socket
from pathlib import Path

import pytest

from farfield_cli.stack import record
from farfield_cli.stack.ports import consecutive_ports, free_ports, is_free
from farfield_cli.stack.record import ProgramRecord, StackRecord
from farfield_cli.stack.redis_program import socket_path
from farfield_kernel.errors import FailedPrecondition


def stack(tmp_path: Path) -> StackRecord:
    program = ProgramRecord(
        name="redis", pid=1, address="unix:/x", log=tmp_path / "log", state="ready", restarts=0
    )
    return StackRecord(
        supervisor=os.getpid(), started_at=1.0, ready=True, redis="unix:///x", environment="e", verifier="v",
        runs=tmp_path, programs=(program,),
    )  # fmt: skip


def test_a_record_counts_only_while_its_supervisor_holds_the_lock(tmp_path: Path) -> None:
    with record.locked(tmp_path):
        record.write(tmp_path, stack(tmp_path))
        assert record.read(tmp_path) == stack(tmp_path)
    assert record.read(tmp_path) is None


def test_a_second_stack_in_a_folder_is_refused_with_the_way_out(tmp_path: Path) -> None:
    with record.locked(tmp_path):
        record.write(tmp_path, stack(tmp_path))
        with (
            pytest.raises(FailedPrecondition, match=f"process {os.getpid()}.*farfield down.*--state"),
            record.locked(tmp_path),
        ):
            pass
    with record.locked(tmp_path):
        pass


async def test_work_on_a_stack_ends_with_it(tmp_path: Path) -> None:
    with record.locked(tmp_path):
        assert await record.while_up(tmp_path, asyncio.sleep(0, "done")) == "done"
        working = asyncio.ensure_future(record.while_up(tmp_path, asyncio.Event().wait()))
        await asyncio.sleep(0)
    with pytest.raises(FailedPrecondition, match="went down"):
        await working


def test_ports_that_are_picked_are_free_and_differ() -> None:
    ports = free_ports()
    first, second = next(ports), next(ports)
    assert first != second
    assert is_free(first)


def test_a_port_in_use_is_told_with_its_holder() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(
            FailedPrecondition, match=rf"port {port} is in use by .*{os.getpid()}.*--base-port"
        ):
            next(consecutive_ports(port))


def test_a_socket_whose_path_would_be_too_long_lies_elsewhere(tmp_path: Path) -> None:
    assert socket_path(Path("/run/x")) == "/run/x/redis.sock"
    deep = tmp_path / ("d" * 120)
    path = socket_path(deep)
    assert len(path) < 100
    assert path == socket_path(deep)
    Path(path).parent.rmdir()
