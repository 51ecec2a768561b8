"""Does a verifier that hangs slow the others? Time of good verdicts, alone and beside eight callers of one
that never answers.

    python -m benchmarks.verifier.hanging [--seconds 2] [--trials 5]

Four callers ask for GeneralPoints verdicts one by one, with a pause of 5 ms. The verifier that hangs runs in
child processes, each of which is killed after half a second and started anew, or on threads, which cannot be
killed. All take turns, each with a service of its own.
"""

import argparse
import asyncio
import json
import os
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from itertools import chain
from pathlib import Path

import uvloop

from benchmarks.places import RESULTS, ROOT
from benchmarks.verifier.speed import attempts, check, leaf, serving
from farfield.verifier.v1 import verifier_pb2 as pb
from farfield.verifier.v1 import verifier_pb2_grpc
from farfield_generalpoints import GeneralPointsVerifier
from farfield_kernel import logs
from farfield_kernel.client import ClientConfig, channel
from farfield_kernel.plugins import Loaded, Plugin
from farfield_kernel.server import ServerConfig
from farfield_sdk import Attempt, Options, Verdict, Verifier
from farfield_verifier.config import VerifierConfig
from farfield_verifier.service import run

ALONE = "alone"
BESIDE = {ALONE: "process", "hanging in processes": "process", "hanging on threads": "thread"}
"""Where the one that hangs runs."""
CALLERS, HUNG_CALLERS = 4, 8
EVERY_SECONDS = 0.005
TIMEOUT_SECONDS = 0.5
Verify = Callable[[pb.VerifyRequest], Awaitable[pb.VerifyResponse]]


class Hanging(Verifier[Options]):
    """Never answers."""

    name = "hanging"
    version = "1.0.0"
    Options = Options

    def verify(self, attempt: Attempt) -> Verdict:
        while True:
            time.sleep(60)


def serve(executor: str) -> None:
    # Child processes import the class by its module's name, which is not that of a script.
    os.environ["PYTHONPATH"] = str(ROOT)
    from benchmarks.verifier.hanging import Hanging

    logs.setup("verifier")
    config = VerifierConfig(
        server=ServerConfig(metrics_port=0, drain_seconds=0),
        executors={"hanging": executor},
        verify_timeout_seconds=TIMEOUT_SECONDS,
    )
    classes = (GeneralPointsVerifier, Hanging)
    uvloop.run(run(config, Loaded("benchmark", {cls.name: Plugin(cls, "benchmark") for cls in classes}, {})))


async def judged(verify: Verify, request: pb.VerifyRequest, end: float) -> list[float]:
    """Seconds of each verdict of one caller."""
    taken = []
    while time.perf_counter() < end:
        began = time.perf_counter()
        check((await verify(request)).results)
        taken.append(time.perf_counter() - began)
        await asyncio.sleep(EVERY_SECONDS)
    return taken


async def hung(verify: Verify, request: pb.VerifyRequest, end: float) -> int:
    """How often one caller was told that there is no verdict."""
    count = 0
    while time.perf_counter() < end:
        (result,) = (await verify(request)).results
        assert result.HasField("error"), result
        count += 1
    return count


async def trial(address: str, beside: str, seconds: float) -> dict[str, float]:
    (attempt,) = attempts(1)
    good = pb.VerifyRequest(plan=leaf(), attempts=[attempt])
    plan = pb.RewardPlan(leaf=pb.Leaf(verifier="hanging"))
    bad = pb.VerifyRequest(plan=plan, attempts=[attempt])
    config = ClientConfig(address=address)
    async with channel(config) as first, channel(config) as second:
        verify, other = (verifier_pb2_grpc.VerifierServiceStub(one).Verify for one in (first, second))
        await judged(verify, good, time.perf_counter() + 0.2)
        end = time.perf_counter() + seconds
        callers = HUNG_CALLERS if beside != ALONE else 0
        hanging = [asyncio.ensure_future(hung(other, bad, end)) for _ in range(callers)]
        found = await asyncio.gather(*(judged(verify, good, end) for _ in range(CALLERS)))
        errors = sum(await asyncio.gather(*hanging))
    taken = sorted(chain.from_iterable(found))
    told = {"p50_ms": taken[len(taken) // 2] * 1e3, "p99_ms": taken[len(taken) * 99 // 100] * 1e3}
    return told | {"verdicts_per_second": len(taken) / seconds, "errors": errors}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=2.0, help="length of a trial")
    parser.add_argument("--trials", type=int, default=5)
    parser.add_argument("--out", type=Path, default=RESULTS / "verifier_hanging.json")
    args = parser.parse_args()
    machine = {"cpus": os.cpu_count(), "load_average": os.getloadavg()[0]}
    found: dict[str, list[dict[str, float]]] = defaultdict(list)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        for beside, executor in list(BESIDE.items()) * args.trials:
            with serving(executor, "benchmarks.verifier.hanging") as address:
                found[beside].append(runner.run(trial(address, beside, args.seconds)))
    print(f"good verdicts of {CALLERS} callers: medians of {args.trials} trials (least to most)")
    for beside, trials in found.items():
        columns = {key: sorted(one[key] for one in trials) for key in ("p50_ms", "p99_ms")}
        shown = [f"{statistics.median(own):8.2f} ({own[0]:.2f}–{own[-1]:.2f})" for own in columns.values()]
        errors = statistics.median(one["errors"] for one in trials)
        print(f"  {beside:<22} p50 {shown[0]} ms, p99 {shown[1]} ms; {errors:.0f} answers that there is none")
    report = {"machine": machine, "seconds": args.seconds, "trials": found}
    args.out.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    serve(sys.argv[2]) if sys.argv[1:2] == ["--serve"] else main()
