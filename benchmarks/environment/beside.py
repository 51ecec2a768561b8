"""Farfield's environment service beside OpenEnv and dm_env_rpc, which host the same environments.

    python -m benchmarks.environment.beside [--sessions 1 32 256] [--clients 1 4] [--seconds 1] [--trials 5]

Servers and players have processes of their own. Players play episodes, beginnings included: 50 steps of an
echo, 5 of the 24-game (text), 10 of an echo that shows a new image of 60 KB each time. Several players share
the sessions. A peer plays in the one way that it has, each session by itself; our ways are told in
`farfield_side.py`. All ways take turns, and each trial's ratio is to the trial of OpenEnv beside it: the rate
by the clock, and the CPU time of a step, of server and players together, which hangs less on who else
computes.
"""

import argparse
import json
import statistics
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from benchmarks import machine, peers
from benchmarks.environment.processes import Player, Server, command, played
from benchmarks.places import RESULTS

ENVIRONMENTS = ("echo", "generalpoints", "picture")
OURS = ("worker", "stream", "unary", "batched")
THEIRS = ("openenv", "dm_env_rpc")
REFERENCE = "openenv"
FEWEST = 32
"""Sessions of each of several clients."""


@dataclass(frozen=True)
class Setting:
    environment: str
    sessions: int
    clients: int

    def __str__(self) -> str:
        return f"{self.environment}, {self.sessions} sessions of {self.clients} clients"


@dataclass(frozen=True)
class Way:
    """How a setting is played, and the server that it is played at."""

    name: str
    server: Server
    players: list[Player]
    arguments: tuple[str, ...] = ()

    def trial(self, setting: Setting, seconds: float) -> dict[str, float]:
        given = (setting.sessions // setting.clients, seconds, setting.environment, *self.arguments)
        players, server = played(self.server, self.players[: setting.clients], *given)
        steps = sum(one["steps"] for one in players)
        return {
            "steps_per_second": sum(one["steps"] / one["seconds"] for one in players),
            "server_cpu_us": server / steps * 1e6,
            "cpu_us": (server + sum(one["cpu_seconds"] for one in players)) / steps * 1e6,
        }


def ways(stack: ExitStack, environment: str, clients: int) -> Iterator[Way]:
    """Every server that there is, with the environment behind it and so many players before it."""
    ours, players = opened(stack, "farfield_side", clients)
    for name in OURS:
        yield Way(name, ours, players, (name,))
    for name in THEIRS:
        if python := peers.interpreter(name):
            yield Way(name, *opened(stack, f"{name}_side", clients, environment, python=python))


def opened(
    stack: ExitStack, module: str, clients: int, *arguments: str, python: str = sys.executable
) -> tuple[Server, list[Player]]:
    server = stack.enter_context(Server(command(module, "serve", *arguments, python=python)))
    started = command(module, "play", server.port, python=python)
    return server, [stack.enter_context(Player(started)) for _ in range(clients)]


def measured(settings: list[Setting], seconds: float, trials: int) -> dict[str, dict[str, Any]]:
    """By setting and way."""
    with ExitStack() as stack:
        there = list(ways(stack, settings[0].environment, max(one.clients for one in settings)))
        found: dict[Setting, dict[str, list]] = {one: {way.name: [] for way in there} for one in settings}
        for _ in range(trials):
            for setting, way in product(settings, there):
                found[setting][way.name].append(way.trial(setting, seconds))
    return {str(setting): summary(by_way) for setting, by_way in found.items()}


def summary(trials: dict[str, list[dict[str, float]]]) -> dict[str, Any]:
    """Medians of each way, and its ratios to the reference of the same trial: median, least, most."""
    reference = trials.get(REFERENCE)
    report: dict[str, Any] = {}
    for way, own in trials.items():
        report[way] = {key: round(statistics.median(one[key] for one in own), 1) for key in own[0]}
        if reference:
            pairs = list(zip(own, reference, strict=True))
            faster = [one["steps_per_second"] / other["steps_per_second"] for one, other in pairs]
            cheaper = [other["cpu_us"] / one["cpu_us"] for one, other in pairs]
            report[way] |= {"times_as_fast": spread(faster), "times_as_cheap": spread(cheaper)}
    return report


def spread(ratios: list[float]) -> list[float]:
    return [round(value, 2) for value in (statistics.median(ratios), min(ratios), max(ratios))]


def show(setting: str, ways: dict[str, Any]) -> None:
    print(f"{setting}\n  {'':<12}{'steps/s':>9}{'CPU µs/step':>13}{'server':>9}   of {REFERENCE}: rate, CPU")
    for way, row in ways.items():
        line = f"  {way:<12}{row['steps_per_second']:9.0f}{row['cpu_us']:13.0f}{row['server_cpu_us']:9.0f}"
        ratios = [row[key] for key in ("times_as_fast", "times_as_cheap") if key in row]
        shown = (f"  {middle:5.1f}x ({least:.1f}–{most:.1f})" for middle, least, most in ratios)
        print(line, *shown, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--environments", nargs="+", choices=ENVIRONMENTS, default=ENVIRONMENTS)
    parser.add_argument("--sessions", type=int, nargs="+", default=[1, 32, 256])
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--seconds", type=float, default=1.0, help="length of a trial")
    parser.add_argument("--trials", type=int, default=5)
    parser.add_argument("--out", type=Path, default=RESULTS / "environment_beside.json")
    args = parser.parse_args()
    report: dict[str, Any] = {"machine": machine.about(), "seconds": args.seconds, "trials": args.trials}
    for environment in args.environments:
        pairs = [(n, k) for n, k in product(args.sessions, args.clients) if k == 1 or n >= FEWEST * k]
        settings = [Setting(environment, *pair) for pair in pairs]
        for setting, found in measured(settings, args.seconds, args.trials).items():
            report[setting] = found
            show(setting, found)
        args.out.write_text(json.dumps(report, indent=1) + "\n")
    report["load_average_after"] = machine.about()["load"]
    args.out.write_text(json.dumps(report, indent=1) + "\n")
    print(f"written to {args.out}")


if __name__ == "__main__":
    main()
