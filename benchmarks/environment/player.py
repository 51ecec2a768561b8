"""What the process of every player does around its play. Peers import this module as well.

A player reads a round's arguments from stdin, a line a round, prepares, says `ready`, and plays when it reads
the next line. It answers with a line of JSON.
"""

import json
import sys
import time
from collections.abc import Callable

Told = dict[str, float]


def rounds(play: Callable[..., Told]) -> None:
    """Plays until stdin ends. `play` takes a round's arguments: sessions, seconds, environment, and whatever
    else there is."""
    for line in sys.stdin:
        sessions, seconds, *others = line.split()
        print(json.dumps(play(int(sessions), float(seconds), *others)), flush=True)


def when_all_are_ready() -> Callable[[int], Told]:
    """Waits until all players are. Tell what it returns the steps that were done: it has the time since."""
    print("ready", flush=True)
    sys.stdin.readline()
    began, cpu = time.perf_counter(), time.process_time()

    def measured(steps: int) -> Told:
        seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - cpu
        return {"steps": steps, "seconds": seconds, "cpu_seconds": cpu_seconds}

    return measured
