"""With real child processes; each says that it is ready by making a file."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from farfield_cli.stack.child import CrashLoop, State
from farfield_cli.stack.program import Program
from farfield_cli.stack.supervisor import Supervisor, supervised

READY_THEN_SLEEP = "open({mark!r}, 'w').close(); import time; time.sleep(60)"


def program(tmp_path: Path, name: str, code: str, **more: float) -> Program:
    mark = tmp_path / f"{name}.ready"

    async def ready() -> bool:
        return mark.exists()

    command = (sys.executable, "-S", "-c", code.replace("{mark!r}", repr(str(mark))))
    return Program(name, command, tmp_path / f"{name}.log", ready, **more)


class Changes:
    """Lets a test wait until something is so."""

    def __init__(self) -> None:
        self._changed = asyncio.Event()

    def __call__(self) -> None:
        self._changed.set()

    async def until(self, is_so: Callable[[], bool]) -> None:
        while not is_so():
            self._changed.clear()
            await self._changed.wait()


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def test_programs_are_ready_inside_and_gone_afterwards(tmp_path: Path) -> None:
    waves = [[program(tmp_path, "first", READY_THEN_SLEEP)], [program(tmp_path, "second", READY_THEN_SLEEP)]]
    async with supervised(waves) as supervisor:
        pids = [child.pid for child in supervisor.children]
        assert [child.state for child in supervisor.children] == [State.READY, State.READY]
        assert all(pid and alive(pid) for pid in pids)
    assert not any(pid and alive(pid) for pid in pids)
    assert [child.state for child in supervisor.children] == [State.STOPPED, State.STOPPED]


async def test_a_killed_program_is_started_again(tmp_path: Path) -> None:
    changes = Changes()
    waves = [[program(tmp_path, "one", READY_THEN_SLEEP)]]
    async with supervised(waves, changes) as supervisor:
        (child,) = supervisor.children
        first = child.pid
        assert first
        os.kill(first, signal.SIGKILL)
        healed = changes.until(lambda: child.restarts == 1 and child.state is State.READY)
        await supervisor.beside(healed)
        assert child.pid not in (None, first)


async def test_a_crash_loop_is_told_with_the_end_of_the_log(tmp_path: Path) -> None:
    code = "import sys; sys.exit('no such model')"
    with pytest.raises(CrashLoop) as caught:
        async with supervised([[program(tmp_path, "broken", code)]]):
            pass
    assert "broken does not stay up" in str(caught.value)
    assert "3 times" in str(caught.value)
    assert "no such model" in str(caught.value)


async def test_a_wrong_configuration_is_told_at_once(tmp_path: Path) -> None:
    code = "import sys; print('--no-such-key', file=sys.stderr); sys.exit(2)"
    with pytest.raises(CrashLoop, match=r"(?s)once.*no-such-key"):
        async with supervised([[program(tmp_path, "broken", code)]]):
            pass


async def test_the_work_beside_ends_when_a_program_cannot_be_kept_up(tmp_path: Path) -> None:
    """It was ready once, and from then on dies at once."""
    code = "import os, sys; os.path.exists({mark!r}) and sys.exit('again'); " + READY_THEN_SLEEP
    async with supervised([[program(tmp_path, "one", code)]]) as supervisor:
        (child,) = supervisor.children
        child._strikes = 5  # as after five crashes in a row
        assert child.pid
        os.kill(child.pid, signal.SIGKILL)
        with pytest.raises(CrashLoop, match="does not stay up"):
            await supervisor.beside(asyncio.Event().wait())


async def test_one_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    code = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + READY_THEN_SLEEP
    async with supervised([[program(tmp_path, "deaf", code, stop_seconds=0.2)]]) as supervisor:
        (child,) = supervisor.children
        pid = child.pid
    assert pid
    assert not alive(pid)


async def test_what_a_program_started_ends_with_it(tmp_path: Path) -> None:
    """Also where the program itself was killed and could not tidy up."""
    note = tmp_path / "grandchild"
    code = (
        "import subprocess, sys; "
        "p = subprocess.Popen([sys.executable, '-S', '-c', 'import time; time.sleep(60)']); "
        f"open({str(note)!r}, 'w').write(str(p.pid)); " + READY_THEN_SLEEP
    )
    changes = Changes()
    async with supervised([[program(tmp_path, "parent", code)]], changes) as supervisor:
        (child,) = supervisor.children
        grandchild = int(note.read_text())
        assert alive(grandchild)
        assert child.pid
        os.kill(child.pid, signal.SIGKILL)
        await supervisor.beside(changes.until(lambda: child.restarts == 1))
        gone = psutil.wait_procs([psutil.Process(grandchild)] if alive(grandchild) else [], timeout=5)
        assert not gone[1]


async def test_cancelled_while_starting_leaves_nothing(tmp_path: Path) -> None:
    changes = Changes()
    never_ready = program(tmp_path, "slow", "import time; time.sleep(60)")
    supervisor = Supervisor([[never_ready]], changes)
    starting = asyncio.create_task(supervisor.start())
    (child,) = supervisor.children
    await changes.until(lambda: child.state is State.STARTING)
    starting.cancel()
    await asyncio.wait({starting})
    await supervisor.stop()
    assert child.pid is None
    alive = [one for one in psutil.Process().children() if one.status() != psutil.STATUS_ZOMBIE]
    assert not [one for one in alive if "sleep(60)" in " ".join(one.cmdline())]


def test_children_die_with_a_supervisor_that_is_killed(tmp_path: Path) -> None:
    code = f"""
import asyncio, os, signal, sys
from pathlib import Path
from farfield_cli.stack.program import Program
from farfield_cli.stack.supervisor import supervised
async def ready(): return True
async def main():
    command = (sys.executable, "-S", "-c", "import time; time.sleep(60)")
    sleeper = Program("sleeper", command, Path({str(tmp_path / "log")!r}), ready)
    async with supervised([[sleeper]]) as supervisor:
        print(supervisor.children[0].pid, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    sleeper = int(done.stdout)
    left = [psutil.Process(sleeper)] if alive(sleeper) else []
    assert not psutil.wait_procs(left, timeout=5)[1]
