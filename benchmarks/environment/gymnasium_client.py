"""GeneralPoints through Gymnasium's interface: graded steps of one episode, and of many in lockstep, with
services and client in processes of their own.

    python -m benchmarks.environment.gymnasium_client [--counts 1 8 32 128] [--seconds 3] [--trials 3]

`FarfieldEnv` steps one episode; `FarfieldVectorEnv` so many, in one call to each service a step. Steps per
second are by the clock, and hang on who else computes; the client's own CPU time of a step does not.
"""

import argparse
import json
import statistics
import time
from collections import defaultdict
from contextlib import ExitStack
from pathlib import Path

from benchmarks.environment.openenv_facade import EACH, OPTIONS, RESPONSE, started
from benchmarks.places import RESULTS
from farfield_gymnasium.client import FarfieldEnv, FarfieldVectorEnv


def measured(env: FarfieldEnv | FarfieldVectorEnv, seconds: float) -> dict[str, float]:
    """Graded steps per second, and CPU microseconds of this process for each."""
    count = getattr(env, "num_envs", 1)
    response = RESPONSE if isinstance(env, FarfieldEnv) else [RESPONSE] * count
    steps, began, computed = 0, time.perf_counter(), time.process_time()
    while time.perf_counter() - began < seconds:
        if steps % EACH == 0:
            env.reset(seed=steps)
        env.step(response)
        steps += 1
    wall, cpu = time.perf_counter() - began, time.process_time() - computed
    return {"steps_per_second": count * steps / wall, "client_cpu_us": 1e6 * cpu / (count * steps)}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--counts", type=int, nargs="+", default=[1, 8, 32, 128])
    parser.add_argument("--seconds", type=float, default=3.0, help="length of a trial")
    parser.add_argument("--trials", type=int, default=3)
    parser.add_argument("--out", type=Path, default=RESULTS / "gymnasium_client.json")
    args = parser.parse_args()
    found: dict[str, list[dict[str, float]]] = defaultdict(list)
    with ExitStack() as stack:
        kinds = ("environment", "verifier")
        at = {kind: f"127.0.0.1:{started(stack, 'port', f'farfield_{kind}')}" for kind in kinds}
        given = {**at, "name": "generalpoints", "options": OPTIONS, "observe": "new"}
        ways = {"env": FarfieldEnv(**given)}
        ways |= {f"vector {count}": FarfieldVectorEnv(count, **given) for count in args.counts}
        for way, env in list(ways.items()) * args.trials:  # in turns: a busy machine is busy for all of them
            found[way].append(measured(env, args.seconds))
        for env in ways.values():
            env.close()
    print(
        f"medians of {args.trials} trials: graded steps per second, CPU microseconds of the client for each"
    )
    for way, trials in found.items():
        rate, cpu = (statistics.median(one[key] for one in trials) for key in trials[0])
        print(f"  {way:<12} {rate:8.0f} {cpu:8.0f}")
    settings = {"seconds": args.seconds}
    args.out.write_text(json.dumps({"settings": settings, "trials": found}, indent=2) + "\n")


if __name__ == "__main__":
    main()
