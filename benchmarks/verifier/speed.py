"""Verifier service: attempts judged per second, in process and over gRPC from another process.

    python -m benchmarks.verifier.speed [--batch 64] [--seconds 1] [--trials 3] [--out FILE]

Every row judges wrong GeneralPoints answers with their facts. `plugin` calls the verifier alone, `core` the
whole service without gRPC, the rest goes over the wire: under a single leaf, a plan of five nodes, or with
the plugin on threads, on a thread in batches, or in child processes.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import uvloop

from benchmarks.places import RESULTS
from farfield.types.v1 import types_pb2
from farfield.verifier.v1 import verifier_pb2 as pb
from farfield.verifier.v1 import verifier_pb2_grpc
from farfield_generalpoints import GeneralPoints, GeneralPointsVerifier
from farfield_kernel import logs
from farfield_kernel.client import ClientConfig, channel
from farfield_kernel.plugins import Loaded, Plugin
from farfield_kernel.server import ServerConfig
from farfield_kernel.wire import struct_from
from farfield_sdk import Attempt, Verdict
from farfield_verifier.config import VerifierConfig
from farfield_verifier.service import assembled, run


def leaf(label: str = "", rewards: str = "paper") -> pb.RewardPlan:
    options = struct_from({"rewards": rewards})
    return pb.RewardPlan(leaf=pb.Leaf(verifier="generalpoints", label=label, options=options))


def large_plan() -> pb.RewardPlan:
    """clip(shaping(sum(leaf, leaf)))"""
    terms = [
        pb.WeightedSum.Term(weight=0.5, plan=leaf(label="paper")),
        pb.WeightedSum.Term(weight=0.5, plan=leaf(label="outcome", rewards="outcome")),
    ]
    total = pb.RewardPlan(weighted_sum=pb.WeightedSum(terms=terms))
    shaped = pb.RewardPlan(shaping=pb.Shaping(plan=total, per_turn=-0.1))
    return pb.RewardPlan(clip=pb.Clip(plan=shaped, low=-5, high=5))


class InBatches(GeneralPointsVerifier):
    """The same verdicts, several in one call."""

    name = "in-batches"
    executor = "thread"

    def verify_batch(self, attempts: Sequence[Attempt]) -> Sequence[Verdict]:
        return [self.verify(attempt) for attempt in attempts]


WAYS = {
    "leaf": ("inline", leaf()),
    "plan of five nodes": ("inline", large_plan()),
    "leaf on threads": ("thread", leaf()),
    "leaf on threads, in batches": ("thread", pb.RewardPlan(leaf=pb.Leaf(verifier="in-batches"))),
    "leaf in processes": ("process", leaf()),
}
"""Where the plugin runs, and the plan."""
EXECUTORS = ("inline", "thread", "process")


def attempts(count: int) -> list[pb.Attempt]:
    game = GeneralPoints(GeneralPoints.Options(prompt="compact"))
    made = []
    for seed in range(count):
        facts = dict(game.reset(seed).facts)
        a, b, c, d = facts["values"]
        made.append(
            pb.Attempt(
                attempt_id=str(seed),
                response=f"{a} {b} {c} {d} : ( {a} + {b} ) * {c} - {d} = 24",
                facts_json=json.dumps(facts),
                state=types_pb2.STATE_CONTINUE,
                turn=seed % 5,
            )
        )
    return made


def serve(executor: str) -> None:
    logs.setup("verifier")
    server = ServerConfig(metrics_port=0, drain_seconds=0)
    config = VerifierConfig(server=server, executors={"generalpoints": executor}, processes=2)
    uvloop.run(run(config, loaded()))


@contextmanager
def serving(executor: str, module: str = "benchmarks.verifier.speed") -> Iterator[str]:
    """Address of the service that a module serves, in a process of its own."""
    command = [sys.executable, "-m", module, "--serve", executor]
    server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert server.stderr is not None
    port = next(line["port"] for line in map(json.loads, server.stderr) if "port" in line)
    # Its log goes on, and a full pipe would stop it.
    threading.Thread(target=deque, args=(server.stderr, 0), daemon=True).start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


def loaded() -> Loaded:
    classes = (GeneralPointsVerifier, InBatches)
    return Loaded("benchmark", {cls.name: Plugin(cls, "benchmark") for cls in classes}, {})


def check(results: list[pb.VerifyResult]) -> int:
    for result in results:
        assert result.HasField("verdict"), result.error.message
    return len(results)


def plugin_alone(batch: int, seconds: float) -> float:
    verifier = GeneralPointsVerifier(GeneralPointsVerifier.Options())
    judged = [Attempt(one.response, json.loads(one.facts_json)) for one in attempts(batch)]
    count, began = 0, time.perf_counter()
    while time.perf_counter() - began < seconds:
        for attempt in judged:
            verifier.verify(attempt)
        count += batch
    return count / (time.perf_counter() - began)


async def core(batch: int, seconds: float) -> float:
    async with assembled(VerifierConfig(), loaded()) as service:
        verify = service.mount.servicer.Verify
        return await repeat(lambda request: verify(request, None), leaf(), batch, seconds)


async def repeat(
    verify: Callable[[pb.VerifyRequest], Awaitable[pb.VerifyResponse]],
    plan: pb.RewardPlan,
    batch: int,
    seconds: float,
) -> float:
    request = pb.VerifyRequest(plan=plan, attempts=attempts(batch))
    check((await verify(request)).results)
    count, began = 0, time.perf_counter()
    while time.perf_counter() - began < seconds:
        count += check((await verify(request)).results)
    return count / (time.perf_counter() - began)


async def measure(
    addresses: dict[str, str], batch: int, seconds: float, trials: int
) -> dict[str, list[float]]:
    """Trials of all ways take turns, so that a busy machine is busy for all of them."""
    rates: dict[str, list[float]] = defaultdict(list)
    for _ in range(trials):
        rates["plugin"].append(plugin_alone(batch, seconds))
        rates["core"].append(await core(batch, seconds))
        for name, (executor, plan) in WAYS.items():
            async with channel(ClientConfig(address=addresses[executor])) as opened:
                verify = verifier_pb2_grpc.VerifierServiceStub(opened).Verify
                rates[f"gRPC, {name}"].append(await repeat(verify, plan, batch, seconds))
    return rates


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=1.0, help="length of a trial")
    parser.add_argument("--trials", type=int, default=3)
    parser.add_argument("--out", type=Path, default=RESULTS / "verifier.json")
    parser.add_argument("--serve", choices=EXECUTORS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve:
        serve(args.serve)
        return
    with ExitStack() as stack:
        addresses = {executor: stack.enter_context(serving(executor)) for executor in EXECUTORS}
        rates = uvloop.run(measure(addresses, args.batch, args.seconds, args.trials))
    medians = {way: statistics.median(found) for way, found in rates.items()}
    print(f"attempts judged per second, {args.batch} in a call")
    for way, rate in medians.items():
        print(f"  {way:<28} {rate:9.0f} {rate / medians['plugin']:8.0%} of the plugin alone")
    args.out.parent.mkdir(parents=True, exist_ok=True)
    settings = {"batch": args.batch, "seconds": args.seconds, "trials": args.trials}
    machine = {"cpus": os.cpu_count(), "load_average": os.getloadavg()[0]}
    document = {"settings": settings, "machine": machine, "attempts_per_second": medians, "trials": rates}
    args.out.write_text(json.dumps(document, indent=2) + "\n")
    print(f"written to {args.out}")


if __name__ == "__main__":
    main()
