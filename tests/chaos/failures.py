"""A failure is never a reward: `python -m tests.chaos.failures --updates 8 --groups 64`.

The same run is played twice by the same services: undisturbed, and with faults ordered of its plugins at a
known rate. The learning rate is too small to change a weight, so the policy stays the same all along, and
every episode has a twin. Then come responses that are cut off, an update that fails as a whole, and plans
that cannot be played. `classes.py` says of each fault how its episode ends, what counts it and which alert it
raises.
"""

import argparse
import asyncio
import json
import random
import shutil
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from farfield.trainer.v1 import trainer_pb2
from farfield.trajectory.v1.trajectory_pb2 import Failure, Trajectory
from farfield.types.v1.types_pb2 import FINISH_REASON_LENGTH, STATE_TRUNCATED
from farfield_cli.runs.trainer import is_over
from farfield_trainer.learning.samples import gather
from tests.chaos.alerting import Alert, Exported, unlike
from tests.chaos.classes import (
    BUDGET,
    CLASSES,
    CUT_OFF,
    OF_PLANS,
    OF_PLUGINS,
    OF_SESSIONS,
    STOPPED,
    Class,
    alerts_of,
)
from tests.chaos.failing_stack import Place, config, placed
from tests.chaos.faulty import AT_RESET, LOST, REPLAYS_OTHERWISE, Order
from tests.chaos.journal import essence
from tests.chaos.unplayable import lose_sessions, play_unplayable

CALM, FAULTY, CUT, STOPS = "calm", "faulty", "cut", "stops"
LASTING = 1_000_000
"""Times that an order comes which no retry outlives."""
FEW = 8
"""Episodes of a run that shows one thing."""
RATE = 0.6
"""Of episodes that suffer a fault."""

Twins = Mapping[str, Trajectory]


@dataclass(slots=True)
class Findings:
    """`wrong`: each invariant that does not hold. `seen`: by fault, episodes that suffered it, that failed,
    and how often it came."""

    wrong: list[str] = field(default_factory=list)
    seen: dict[str, Counter[str]] = field(default_factory=dict)
    episodes: int = 0

    def expect(self, holds: bool, otherwise: str) -> None:
        if not holds:
            self.wrong.append(otherwise)

    def add(self, fault: str, failed: bool, times: int) -> None:
        self.seen.setdefault(fault, Counter()).update(episodes=1, failed=failed, times=times)


def orders_for(twins: Twins, rate: float, seed: int) -> list[Order]:
    """Every class in turn, lasting and then passing, until so many episodes suffer one. Sessions are lost
    where a turn is left to be played."""
    chance, left = random.Random(seed), sorted(twins)
    chance.shuffle(left)
    kinds = [(one.fault, LASTING) for one in OF_PLUGINS] + [(one, 1) for one in LOST]
    kinds += [(one.fault, 1) for one in OF_PLUGINS]
    orders = []
    for number in range(int(rate * len(twins))):
        fault, times = kinds[number % len(kinds)]
        turns = {name: len(twins[name].turns) - (fault in LOST) for name in left}
        name = next(name for name in left if turns[name] > 0)
        left.remove(name)
        turn = -1 if fault in AT_RESET else chance.randrange(turns[name])
        orders.append(Order(twins[name].spec.environment_seed, turn, fault, times))
    return orders


# What must hold


def is_masked(trajectory: Trajectory) -> bool:
    """Nothing of it can be taken for a reward."""
    untold = trajectory.failure_detail and trajectory.end == STATE_TRUNCATED and not trajectory.success
    return bool(untold) and not any(turn.HasField("verdict") for turn in trajectory.turns)


def check_twins(found: Findings, calm: Twins, played: Twins, orders: Sequence[Order], place: Place) -> None:
    """Each episode by its id: failed as its class says, or the same to the last bit."""
    by_seed, classes = {one.seed: one for one in orders}, {one.fault: one for one in CLASSES}
    found.expect(calm.keys() == played.keys(), "other episodes were played")
    for name, twin in calm.items():
        order, one = by_seed.get(twin.spec.environment_seed), played[name]
        lasts = order is not None and (order.times == LASTING or order.fault == REPLAYS_OTHERWISE)
        expected = classes[order.fault].failure if order and lasts else ""
        found.expect(failure_of(one) == expected, f"{name} {order}: {failure_of(one)!r} {one.failure_detail}")
        whole = is_masked(one) if expected else essence(one) == essence(twin)
        found.expect(whole, f"{name} {order}: not what it has to be")
        if order:
            times = place.orders.done(order.seed)
            found.add(order.fault, bool(expected), times)
            # An environment's starts are asked for together first, then one by one.
            budget = BUDGET * (2 if order.fault in AT_RESET else 1)
            found.expect(0 < times <= min(budget, order.times), f"{name} {order}: came {times} times")


def failure_of(trajectory: Trajectory) -> str:
    return Failure.Name(trajectory.failure).removeprefix("FAILURE_").lower() if trajectory.failure else ""


def check_training(found: Findings, calm: Twins, played: Twins, place: Place, run_id: str) -> None:
    """The trainer's figures, and its samples: those of the twins of what did not fail, and nothing else."""
    reported = place.updates(run_id)
    for update, figures in enumerate(reported):
        names = [name for name in sorted(played) if name.startswith(f"train/{update:06d}/")]
        graded = [name for name in names if not played[name].failure]
        rewards = [turn.verdict.reward for name in graded for turn in calm[name].turns]
        trained = [turn.reward for turn in gather([played[name] for name in names]).turns]
        found.expect(trained == rewards, f"update {update} trains other rewards than its twin's")
        mean = sum(rewards) / max(len(rewards), 1)
        found.expect(
            abs(figures["reward_mean"] - mean) < 1e-9, f"update {update} reports {figures['reward_mean']}"
        )
        masked = sum(len(played[name].turns) for name in names if played[name].failure)
        found.expect(
            figures["turns_masked"] == masked, f"update {update}: {figures['turns_masked']} turns masked"
        )


def check_counts(
    found: Findings, played: Twins, place: Place, run_id: str, before: Exported, after: Exported
) -> None:
    """Summary, worker and services count the same."""
    failures = Counter(filter(None, map(failure_of, played.values())))
    summary = place.summary(run_id)
    found.expect(summary["failures"]["train"] == failures, f"the summary counts {summary['failures']}")
    found.expect(summary["episodes"]["trained"] == len(played) - failures.total(), f"{summary['episodes']}")
    for failure, count in failures.items():
        counted = after.since(before, "farfield_rollout_failures_total", {"failure": failure})
        found.expect(counted == count, f"workers count {counted} of {failure}, not {count}")
    by_counter: Counter[tuple[Any, ...]] = Counter()
    for one in OF_PLUGINS:
        by_counter[one.counter, one.labels] += found.seen[one.fault]["times"]
    lost = next(one for one in OF_SESSIONS if one.fault == REPLAYS_OTHERWISE)
    by_counter[lost.counter, lost.labels] = found.seen[lost.fault]["failed"]
    for (counter, labels), count in by_counter.items():
        found.expect(
            before.total(counter, dict(labels)) is not None, f"{counter} {labels} is not there from the start"
        )
        counted = after.since(before, counter, dict(labels))
        found.expect(counted == count, f"{counter} {labels}: {counted}, and it came {count} times")


def check_alerts(
    found: Findings,
    what: str,
    before: Exported,
    after: Exported,
    expected: Sequence[Alert],
    maybe: Sequence[str] = (),
) -> None:
    promtool = shutil.which("promtool")
    if promtool and (said := unlike(promtool, before, after, expected, maybe)):
        found.wrong.append(f"alerts of {what}: {said}")


# What is played


async def play(folder: Path, updates: int, groups: int, seed: int) -> Findings:
    found = Findings(episodes=updates * groups)
    async with placed(folder) as place:
        start = await place.exported()
        await place.run(CALM, config(updates, groups))
        calm, quiet = place.committed(CALM), await place.exported()
        check_alerts(found, CALM, start, quiet, [])
        await _faulty(found, place, calm, quiet, updates, groups, seed)
        await _cut_off(found, place)
        await _stopped(found, place, calm)
        await _unplayable(found, place, calm)
        found.expect(not place.stack.restarts(), f"services died: {place.stack.restarts()}")
    return found


async def _faulty(
    found: Findings, place: Place, calm: Twins, before: Exported, updates: int, groups: int, seed: int
) -> None:
    orders = orders_for(calm, RATE, seed)
    place.orders.give(orders)
    losing = asyncio.ensure_future(lose_sessions(place, FAULTY, calm, orders))
    await place.run(FAULTY, config(updates, groups, max_failed_fraction=1.0))
    losing.cancel()
    played, after = place.committed(FAULTY), await place.exported()
    check_twins(found, calm, played, orders, place)
    check_training(found, calm, played, place, FAULTY)
    check_counts(found, played, place, FAULTY, before, after)
    expected = alerts_of([*OF_PLUGINS, *OF_SESSIONS])
    check_alerts(found, FAULTY, before, after, expected, ["FarfieldCallsFail", "FarfieldRetries"])


async def _cut_off(found: Findings, place: Place) -> None:
    """A response that is cut off is judged as it is: it earns nothing, and is no failure."""
    place.orders.give([])
    before = await place.exported()
    await place.run(CUT, config(1, FEW, sampling={"max_new_tokens": 3}))
    played, after = place.committed(CUT), await place.exported()
    turns = [turn for one in played.values() for turn in one.turns]
    found.expect(
        len(played) == FEW and not any(one.failure for one in played.values()), "a cut response failed"
    )
    found.expect(
        all(turn.finish_reason == FINISH_REASON_LENGTH for turn in turns), "a response was not cut off"
    )
    found.expect(
        all(turn.verdict.reward <= 0 and not turn.verdict.correct for turn in turns), "a torn answer earned"
    )
    counted = after.since(before, CUT_OFF.counter, dict(CUT_OFF.labels))
    found.expect(counted == len(turns), f"{counted} responses are counted as cut off, of {len(turns)}")
    found.seen[CUT_OFF.fault] = Counter(episodes=FEW, times=len(turns))
    # What is left of an answer is nearly always the same.
    check_alerts(found, CUT, before, after, alerts_of([CUT_OFF]), ["FarfieldEntropyCollapsed"])


async def _stopped(found: Findings, place: Place, calm: Twins) -> None:
    """More failures than a run allows stop it, with the reason; cured and resumed it plays them again."""
    first = {name: calm[name] for name in sorted(calm)[:FEW]}
    place.orders.give(
        [Order(one.spec.environment_seed, 0, "verifier raises", LASTING) for one in first.values()]
    )
    before = await place.exported()
    run = await place.run(STOPS, config(1, FEW), expected=trainer_pb2.RUN_STATE_FAILED)
    failed, after = place.committed(STOPS), await place.exported()
    told = (
        f"update 0: {FEW} of {FEW} episodes failed (not_graded {FEW})" in run.error and "resume" in run.error
    )
    found.expect(told, f"the run says: {run.error}")
    found.expect(all(map(is_masked, failed.values())), "an episode that failed has a verdict")
    also = [Alert("FarfieldVerifierFails", {"kind": "raised"}), Alert("FarfieldRetries", {"stage": "verify"})]
    check_alerts(found, STOPS, before, after, [*alerts_of([STOPPED]), *also])
    found.seen[STOPPED.fault] = Counter(episodes=FEW, failed=FEW, times=1)
    place.orders.give([])
    await place.trainer.resume(STOPS)
    while not is_over(run := await place.trainer.get(STOPS)):  # noqa: ASYNC110 - a trainer is asked
        await asyncio.sleep(0.2)
    found.expect(run.state == trainer_pb2.RUN_STATE_SUCCEEDED, f"resumed, the run says: {run.error}")
    again = place.committed(STOPS)
    found.expect(
        all(essence(again[name]) == essence(one) for name, one in first.items()), "resumed, it plays others"
    )
    found.expect(place.summary(STOPS)["failures"]["train"] == {}, "failures that were cured are counted")


async def _unplayable(found: Findings, place: Place, calm: Twins) -> None:
    before = await place.exported()
    played = await play_unplayable(place, STOPS, calm[min(calm)].spec)
    after = await place.exported()
    good = played.pop("")
    rewards = [[turn.verdict.reward for turn in one.turns] for one in (good, calm[min(calm)])]
    found.expect(not good.failure and rewards[0] == rewards[1], "an episode among unplayable ones suffered")
    for one in OF_PLANS:
        trajectory = played[one.fault]
        said = f"{one.fault}: {failure_of(trajectory)} {trajectory.failure_detail}"
        found.expect(failure_of(trajectory) == one.failure and is_masked(trajectory), said)
        counted = after.since(before, one.counter, dict(one.labels))
        found.expect(counted == 1, f"{one.fault}: counted {counted} times")
        found.add(one.fault, True, 1)
    check_alerts(found, "plans", before, after, alerts_of(OF_PLANS), ["FarfieldRetries"])


def table(found: Findings) -> str:
    lines = [f"{'fault':<52} {'episodes':>8} {'failed':>7} {'came':>6}   class, counter, alert"]
    for one in CLASSES:
        seen = found.seen[one.fault]
        where = ", ".join([one.failure or "graded", _counter(one), one.alert or "-"])
        lines.append(
            f"{one.fault:<52} {seen['episodes']:>8} {seen['failed']:>7} {seen['times']:>6}   {where}"
        )
    return "\n".join(lines)


def _counter(one: Class) -> str:
    return one.counter + "{" + ", ".join(f"{name}={value}" for name, value in one.labels) + "}"


def main() -> int:
    words = argparse.ArgumentParser(prog="make failures", description=__doc__)
    words.add_argument("--updates", type=int, default=8)
    words.add_argument("--groups", type=int, default=64)
    words.add_argument("--seed", type=int, default=0)
    words.add_argument("--out", type=Path, default=Path("runs/failures"))
    given = words.parse_args()
    shutil.rmtree(given.out, ignore_errors=True)
    found = asyncio.run(play(given.out, given.updates, given.groups, given.seed))
    print(table(found))
    print(
        "\n".join(f"WRONG: {wrong}" for wrong in found.wrong)
        or "every other episode is its twin's, to the last bit"
    )
    if shutil.which("promtool") is None:
        print("alerts were not evaluated: no promtool on PATH")
    (given.out / "failures.json").write_text(json.dumps({"seen": found.seen, "wrong": found.wrong}, indent=1))
    return bool(found.wrong)


if __name__ == "__main__":
    sys.exit(main())
