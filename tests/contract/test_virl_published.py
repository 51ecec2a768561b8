"""One real route of the published data set, beside the checkout: its rail, point by point.

The data is third-party and stays out of the repository."""

import json
from pathlib import Path
from random import Random

import pytest

from farfield_sdk import State
from farfield_virl import Virl, VirlOptions
from farfield_virl.data.published import load_routes
from farfield_virl.rail import AT_INTERSECTION, NOTHING_NEAR, RailSettings, lay

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "virl"
ROUTE, EXPECTED = DATA / "route_infos_ny_moma.json", DATA / "ny_moma_expected_rail.json"
SETTINGS = {"drop_rate": 0.0, "spacing": 0.0, "initial_heading": 90}

pytestmark = pytest.mark.skipif(not EXPECTED.exists(), reason=f"the published route is not in {DATA}")


@pytest.mark.parametrize("actions", ["absolute", "relative"])
def test_the_real_route_yields_its_published_rail(actions):
    expected = json.loads(EXPECTED.read_text())[actions]
    (route,) = load_routes(ROUTE)
    rail = lay(route, RailSettings(actions, "reference", **SETTINGS), Random(0))
    assert list(rail.instructions) == expected["instructions"]
    assert len(rail.points) == len(expected["rail"])
    for point, there in zip(rail.points, expected["rail"], strict=True):
        assert point.geocode == pytest.approx(there["geocode"], abs=1e-12)
        assert point.heading == there["heading"]
        assert point.action == there["action"]
        assert (point.landmark or NOTHING_NEAR) == there["observation"]
        assert point.intersection == (there["intersection"] == AT_INTERSECTION)
        assert point.instruction + 1 == there["instruction_idx"]
        assert rail.instructions[point.instruction] == there["instruction"]


def test_wrapped_headings_correct_the_one_turn_that_the_reference_has_wrong():
    """From 90° to 298° is a turn of 152° to the left."""
    (route,) = load_routes(ROUTE)
    wrapped, reference = (
        lay(route, RailSettings("relative", mode, **SETTINGS), Random(0)) for mode in ("wrapped", "reference")
    )
    changed = [
        (one.action, other.action)
        for one, other in zip(wrapped.points, reference.points, strict=True)
        if one.action != other.action
    ]
    assert changed == [("turn_direction(left)", "turn_direction(right)")]


@pytest.mark.parametrize("actions", ["absolute", "relative"])
def test_the_environment_walks_the_published_rail(actions):
    expected = json.loads(EXPECTED.read_text())[actions]["rail"]
    options = VirlOptions(
        world="published", data=str(ROUTE), actions=actions, headings="reference", **SETTINGS
    )
    game = Virl(options)
    game.reset(0)
    for there in expected:
        keys = ("observation", "instruction", "action")
        seen, sentence, action = (there[key] for key in keys)
        answer = {"current observation": seen, "current instruction": sentence, "action": action}
        outcome = game.step(json.dumps(answer))
        assert outcome.metrics["per_step_correct"] == 1.0
    assert (outcome.state, outcome.success) == (State.TERMINATED, True)
