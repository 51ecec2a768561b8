"""What the process of every player does around its play. Peers import this module as well."""

import sys
import time
from collections.abc import Callable


def when_all_are_ready() -> Callable[[int], dict[str, float]]:
    """Waits until all players are. Tell what it returns the steps that were done: it has the time since."""
    print("ready", flush=True)
    sys.stdin.readline()
    began, cpu = time.perf_counter(), time.process_time()

    def measured(steps: int) -> dict[str, float]:
        seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - cpu
        return {"steps": steps, "seconds": seconds, "cpu_seconds": cpu_seconds}

    return measured
