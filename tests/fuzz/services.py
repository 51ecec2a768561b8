"""Fuzzes every method of the running services of a stack: `python -m tests.fuzz.services --cases 20000`."""

import argparse
import asyncio
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc.aio
import psutil
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from farfield.environment.v1 import environment_pb2
from farfield.policy.v1 import policy_pb2
from farfield.trainer.v1 import trainer_pb2
from farfield.verifier.v1 import verifier_pb2
from farfield_cli.stack.readiness import serving
from farfield_cli.stack.stack import Stack, StackOptions, running
from tests.fuzz.wire import Method, Tally, methods, requests, send

ROOT = Path(__file__).parents[2]
MODEL = ROOT / "examples" / "tiny" / "checkpoint"
AT_ONCE = 25
"""Requests in flight together: one example of Hypothesis."""
_SERVICES = {
    "environment": environment_pb2.DESCRIPTOR.services_by_name["EnvironmentService"],
    "verifier": verifier_pb2.DESCRIPTOR.services_by_name["VerifierService"],
    "policy": policy_pb2.DESCRIPTOR.services_by_name["PolicyService"],
    "trainer": trainer_pb2.DESCRIPTOR.services_by_name["TrainerService"],
}
_CHANNEL = [("grpc.max_receive_message_length", -1), ("grpc.enable_retries", 0)]


def drawn(method: Method, cases: int, number: int) -> Iterator[list[bytes]]:
    """So many requests to a method, some at a time; the same for the same number."""
    batches: list[list[bytes]] = []

    @seed(number)
    @settings(
        max_examples=max(1, cases // AT_ONCE),
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(requests(method[0]), min_size=AT_ONCE, max_size=AT_ONCE))
    def draw(batch: list[bytes]) -> None:
        batches.append(batch)

    draw()
    yield from batches


async def attack(address: str, method: Method, cases: int, number: int, tally: Tally) -> None:
    async with grpc.aio.insecure_channel(address, options=_CHANNEL) as channel:
        for batch in drawn(method, cases, number):
            await asyncio.gather(*(send(channel, method, data, tally) for data in batch))


def addresses(stack: Stack) -> dict[str, str]:
    lane = stack.plan.lanes["default"]
    return {
        "environment": stack.plan.environment,
        "verifier": stack.plan.verifier,
        "policy": lane.policy,
        "trainer": lane.trainer,
    }


async def play(
    folder: Path, cases: int, number: int = 0, when_up: Callable[[], None] = lambda: None
) -> Tally:
    """`cases` requests over all methods. A service that died, or serves no more, is a finding too."""
    tally = Tally()
    async with running(StackOptions(folder / "state", folder / "runs", MODEL)) as stack:
        when_up()
        where = addresses(stack)
        every = [(where[name], one) for name, service in _SERVICES.items() for one in methods(service)]
        for address, method in every:
            await attack(address, method, cases // len(every), number, tally)
            if not await serving(address):
                tally.wrong.append(f"{method[1]}: the service serves no more")
        tally.wrong += [f"{name} died {count} times" for name, count in stack.restarts().items()]
        tally.resident = {
            child.program.name: psutil.Process(child.pid).memory_info().rss >> 20
            for child in stack.supervisor.children
            if child.pid
        }
    return tally


def main() -> int:
    words = argparse.ArgumentParser(prog="python -m tests.fuzz.services", description=__doc__)
    words.add_argument("--cases", type=int, default=20_000)
    words.add_argument("--seed", type=int, default=0)
    words.add_argument("--out", type=Path, default=Path("runs/fuzz"))
    asked = words.parse_args()
    tally = asyncio.run(play(asked.out / "services", asked.cases, asked.seed))
    for (path, code), count in sorted(tally.codes.items()):
        print(f"{path:<52} {code:<22} {count:>7,}")
    for wrong in tally.wrong[:40]:
        print(f"WRONG: {wrong[:600]}")
    codes = {f"{path} {code}": count for (path, code), count in sorted(tally.codes.items())}
    (asked.out / "services.json").write_text(
        json.dumps({"cases": tally.cases, "codes": codes, "wrong": tally.wrong}, indent=1)
    )
    print(f"{tally.cases:,} requests, {len(tally.wrong)} findings; resident MiB: {tally.resident}")
    return bool(tally.wrong)


if __name__ == "__main__":
    sys.exit(main())
