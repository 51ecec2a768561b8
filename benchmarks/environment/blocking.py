"""Does a slow environment slow the others? Time of a step of echoes, alone and beside eight sessions of an
environment that takes 50 ms for each step.

    python -m benchmarks.environment.blocking [--seconds 2] [--trials 5]

Eight echoes, inline on the service's event loop, are each stepped every 5 ms by one client; the slow ones
have a client of their own. `sleeping` waits on threads, `computing` keeps them busy, `apart` computes in
processes of its own; `lying` waits on the event loop, as an environment does that declares itself `inline`
and is not. All take turns, each with a new service.
"""

import argparse
import asyncio
import json
import statistics
import time
from collections import defaultdict
from contextlib import ExitStack
from itertools import chain
from pathlib import Path

import uvloop

from benchmarks import machine
from benchmarks.environment.farfield_side import reference
from benchmarks.environment.games import RESPONSE
from benchmarks.environment.processes import Player, Server, command
from benchmarks.places import RESULTS
from farfield.environment.v1 import environment_pb2 as pb
from farfield_kernel.client import ClientConfig
from farfield_rollout.environment import EnvironmentClient

SESSIONS = 8
EVERY_SECONDS = 0.005
ALONE = "alone"
BESIDE = (ALONE, "sleeping", "computing", "apart", "lying")


async def steps(client: EnvironmentClient, name: str, end: float) -> list[float]:
    """Seconds of each step of one session."""
    await client.create(reference("echo"), pb.NewSession(session_id=name), frozenset())
    taken: list[float] = []
    while time.perf_counter() < end:
        began = time.perf_counter()
        action = pb.Action(session_id=name, turn=len(taken), response=RESPONSE)
        await client.step(action, frozenset())
        taken.append(time.perf_counter() - began)
        await asyncio.sleep(EVERY_SECONDS)
    await client.close_session(name)
    return taken


async def echoes(address: str, seconds: float) -> list[float]:
    client = EnvironmentClient(ClientConfig(address=address))
    end = time.perf_counter() + seconds
    taken = await asyncio.gather(*(steps(client, str(number), end) for number in range(SESSIONS)))
    await client.close()
    return list(chain.from_iterable(taken))


def trial(runner: asyncio.Runner, beside: str, seconds: float) -> dict[str, float]:
    with Server(command("farfield_side", "serve")) as server, ExitStack() as stack:
        runner.run(echoes(server.address, 0.2))
        if beside != ALONE:
            slow = stack.enter_context(Player(command("farfield_side", "play", server.port)))
            slow.say(SESSIONS, seconds + 0.5, beside, "worker")
            slow.hear()
            slow.say("go")
        taken = sorted(runner.run(echoes(server.address, seconds)))
        found = {"p50_ms": taken[len(taken) // 2] * 1e3, "p99_ms": taken[len(taken) * 99 // 100] * 1e3}
        return found | {"steps_per_second": len(taken) / seconds}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=2.0, help="length of a trial")
    parser.add_argument("--trials", type=int, default=5)
    parser.add_argument("--out", type=Path, default=RESULTS / "environment_blocking.json")
    args = parser.parse_args()
    found: dict[str, list[dict[str, float]]] = defaultdict(list)
    before = machine.about()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        for beside in BESIDE * args.trials:
            found[beside].append(trial(runner, beside, args.seconds))
    print(f"steps of {SESSIONS} echoes: medians of {args.trials} trials (least to most)")
    for beside, trials in found.items():
        columns = {key: sorted(one[key] for one in trials) for key in ("p50_ms", "p99_ms")}
        shown = [f"{statistics.median(own):8.2f} ({own[0]:.2f}–{own[-1]:.2f})" for own in columns.values()]
        print(
            f"  {beside:<10}",
            *(f"{name.removesuffix('_ms')} {one} ms" for name, one in zip(columns, shown, strict=True)),
        )
    report = {"machine": before, "seconds": args.seconds, "trials": found}
    args.out.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
