import pytest
from pydantic import ValidationError

from farfield_generalpoints import FaceValues, GeneralPointsOptions


def test_defaults_are_the_rule_in_distribution():
    options = GeneralPointsOptions()
    assert (options.target, options.face_values, options.max_turns) == (24, (10, 10, 10), 5)


def test_rules():
    assert GeneralPointsOptions(faces="rank").face_values == (11, 12, 13)
    custom = GeneralPointsOptions.model_validate({"faces": {"J": 7.0, "Q": 5, "K": 3}})
    assert custom.faces == FaceValues(J=7, Q=5, K=3)
    assert custom.face_values == (7, 5, 3)
    assert GeneralPointsOptions(faces="varied").face_values is None


@pytest.mark.parametrize(
    "options",
    [
        {"target": 0},
        {"target": 2000},
        {"target": 24.5},
        {"faces": "eleven"},
        {"faces": {"J": 11}},
        {"faces": {"J": 11, "Q": 12, "K": 100}},
        {"deal": "stacked"},
        {"split": "test"},
        {"max_turns": 0},
        {"prompt": "long"},
        {"cards": 5},
    ],
)
def test_wrong_options_are_refused(options):
    with pytest.raises(ValidationError):
        GeneralPointsOptions.model_validate(options)


def test_a_target_that_no_hand_reaches_is_refused_with_a_cure():
    impossible = {"target": 997, "faces": {"J": 1, "Q": 1, "K": 1}, "deal": "face"}
    with pytest.raises(ValidationError, match=r"no hand .* reaches the target 997.*choose another"):
        GeneralPointsOptions.model_validate(impossible)


def test_splits_part_the_hands():
    train, heldout = (GeneralPointsOptions(split=split) for split in ("train", "heldout"))
    everything = GeneralPointsOptions()
    for hand in [(1, 2, 3, 4), (1, 4, 6, 7), (2, 3, 10, 10), (1, 1, 1, 1)]:
        assert train.deals(hand) + heldout.deals(hand) == everything.deals(hand)


def test_every_field_is_described():
    fields = GeneralPointsOptions.model_json_schema()["properties"]
    assert all(field.get("description") for field in fields.values())
