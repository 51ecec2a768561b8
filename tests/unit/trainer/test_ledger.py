import json

import pytest
from sample_runs import run_config

from farfield.trajectory.v1.trajectory_pb2 import FAILURE_POLICY, Trajectory
from farfield_kernel.errors import FailedPrecondition
from farfield_kernel.queue.contract import Collected
from farfield_kernel.queue.images import Gallery, Shown
from farfield_trainer.ledger import Arrival, Ledger, Totals
from farfield_trainer.planning import training_episodes

SPECS = training_episodes("r", run_config(), 0)
NEXT = training_episodes("r", run_config(), 1)


def collected(entry: str, spec: object, **fields: object) -> Collected:
    return Collected(entry, Trajectory(spec=spec, **fields))


def filled(specs: list = SPECS) -> Ledger:
    ledger = Ledger()
    for spec in reversed(specs):
        ledger.take(collected(f"{spec.update}-{spec.index}", spec))
    return ledger


def test_a_lot_is_consumed_whole_and_in_order() -> None:
    ledger = filled()
    assert [item.spec.index for item in ledger.consume(SPECS)] == [0, 1, 2, 3]
    assert ledger.missing(SPECS) == []
    with pytest.raises(FailedPrecondition, match="consumed before"):
        ledger.consume(SPECS)


def test_an_incomplete_lot_is_not_consumed() -> None:
    ledger = filled(SPECS[:3])
    assert ledger.missing(SPECS) == SPECS[3:]
    with pytest.raises(FailedPrecondition, match=r"r/train/000000/0003 has not arrived"):
        ledger.consume(SPECS)
    ledger.take(collected("x", SPECS[3]))
    assert len(ledger.consume(SPECS)) == 4


def test_copies_are_told_apart() -> None:
    ledger = Ledger()
    assert ledger.take(collected("1", SPECS[0])) is Arrival.NEW
    assert ledger.take(collected("1", SPECS[0])) is Arrival.REDELIVERED
    assert ledger.take(collected("2", SPECS[0], success=True)) is Arrival.DUPLICATE
    for spec in SPECS[1:]:
        ledger.take(collected(f"e{spec.index}", spec))
    assert not ledger.consume(SPECS)[0].success
    assert ledger.take(collected("9", SPECS[0])) is Arrival.CONSUMED
    assert ledger.duplicates == 1
    assert set(ledger.settled()) == {"1", "2", "e1", "e2", "e3", "9"}


def test_entries_stay_settled_until_they_are_acknowledged() -> None:
    ledger = filled()
    ledger.consume(SPECS)
    ledger.acknowledged(ledger.settled()[:1])
    assert len(ledger.settled()) == 3


def test_what_waits_is_not_settled() -> None:
    ledger = filled([*SPECS, *NEXT])
    ledger.consume(SPECS)
    assert all(entry.startswith("0-") for entry in ledger.settled())


def test_the_state_remembers_consumed_lots() -> None:
    ledger = filled()
    ledger.consume(SPECS)
    restored = Ledger(json.loads(json.dumps(ledger.state())))
    assert restored.take(collected("7", SPECS[2])) is Arrival.CONSUMED
    assert restored.lots == ledger.lots


def test_an_episode_of_another_config_is_refused() -> None:
    ledger = filled(training_episodes("r", run_config(seed=5), 0))
    with pytest.raises(FailedPrecondition, match="another plan"):
        ledger.consume(SPECS)


def test_images_go_with_the_trajectories_that_show_them() -> None:
    gallery, ledger = Gallery(), Ledger()
    for spec in [*SPECS, *NEXT]:
        shown = gallery.find(["shared"]) or {"shared": gallery.add("shared", b"card")}
        if spec is SPECS[1]:
            shown["own"] = gallery.add("own", b"another card")
        ledger.take(Collected(spec.episode_id, Trajectory(spec=spec), Shown(shown)))
    del shown
    assert ledger.blobs(SPECS) == {"shared": b"card", "own": b"another card"}
    assert ledger.blobs(NEXT) == {"shared": b"card"}
    ledger.consume(SPECS)
    assert gallery.find(["shared", "own"]).keys() == {"shared"}
    ledger.consume(NEXT)
    assert not gallery.find(["shared", "own"])


def test_totals_and_failures() -> None:
    ledger = filled(SPECS[1:])
    ledger.take(collected("f", SPECS[0], failure=FAILURE_POLICY))
    ledger.consume(SPECS)
    train = ledger.totals("train")
    assert (train.episodes, train.failed, train.graded) == (4, 1, 3)
    assert ledger.totals("eval") == Totals()
    assert Ledger(ledger.state()).totals("train") == train
