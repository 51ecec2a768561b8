"""Processes that take turns: each way of doing the same has one, and runs when its line comes.

So every way has its own memory and its own libraries, and they still meet the same load (A B A B …). The
standard library alone, since a way may live in a virtual environment of its own.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

MIB = 1 << 20


class Way:
    """A process that answers a line with what one round cost it."""

    def __init__(self, command: Sequence[str | Path]) -> None:
        self._process = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"},
        )
        self._read()

    def round(self) -> dict[str, float]:
        assert self._process.stdin
        self._process.stdin.write("go\n")
        self._process.stdin.flush()
        return self._read()

    def _read(self) -> dict[str, float]:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{' '.join(map(str, self._process.args))} ended early")
        answer: dict[str, float] = json.loads(line)
        return answer

    def close(self) -> None:
        self._process.kill()
        self._process.wait()


class Stopwatch:
    """The process's side: `wait` for a line, do the round, `report`. Whatever else the process prints goes to
    standard error."""

    def __init__(self, synchronize: Callable[[], None] = lambda: None) -> None:
        """Made when all is loaded: memory counts from here. `synchronize` waits for a device."""
        self._answers = os.fdopen(os.dup(1), "w")
        os.dup2(2, 1)
        self._synchronize = synchronize
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
        self._resident = status("VmRSS")
        self._say({})

    def wait(self) -> None:
        if not sys.stdin.readline():
            sys.exit()
        self._started = time.perf_counter(), time.process_time()

    def report(self, **figures: float) -> None:
        self._synchronize()
        wall, cpu = self._started
        cost = {"cpu_seconds": time.process_time() - cpu, "wall_seconds": time.perf_counter() - wall}
        peak = (status("VmHWM") - self._resident) / MIB
        self._say(cost | {"peak_mib": peak} | figures)

    def _say(self, answer: Mapping[str, Any]) -> None:
        print(json.dumps(answer), file=self._answers, flush=True)


def serve(once: Callable[[], dict[str, float]], synchronize: Callable[[], None] = lambda: None) -> None:
    """Does `once` for every line."""
    watch = Stopwatch(synchronize)
    while True:
        watch.wait()
        watch.report(**once())


def status(name: str) -> int:
    """Bytes of a line of /proc/self/status."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise LookupError(name)


def spread(values: Sequence[float], digits: int = 3) -> dict[str, float]:
    """Median, least and most."""
    named = {"median": statistics.median(values), "least": min(values), "most": max(values)}
    return {name: round(value, digits) for name, value in named.items()}


def ratios(others: Sequence[float], own: Sequence[float]) -> dict[str, float]:
    """How much more `others` took, round by round. What ran once is held against every round."""
    pairs = zip(others if len(others) > 1 else list(others) * len(own), own, strict=False)
    return spread([other / mine for other, mine in pairs], 2)


def circumstances() -> dict[str, str | int | float]:
    """Where and beside what this runs."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    name = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "")
    load = round(os.getloadavg()[0], 1)
    return {"date": time.strftime("%Y-%m-%d"), "cpu": name, "cores": os.cpu_count() or 0, "load": load}
