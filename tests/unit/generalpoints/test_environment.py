import json
from importlib.metadata import entry_points

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farfield_generalpoints import GeneralPoints, GeneralPointsOptions, GeneralPointsVerifier
from farfield_generalpoints.cards import RULES, held_out
from farfield_generalpoints.solver import solvable
from farfield_generalpoints.variants import VARIANTS
from farfield_sdk import State


def session(**options) -> GeneralPoints:
    return GeneralPoints(GeneralPointsOptions(**options))


def test_a_seed_names_the_same_hand_everywhere():
    """Pinned: curves and checkpoints of other machines and Python versions rest on it."""
    cards = [session().reset(seed).facts["cards"] for seed in (0, 1, 2**63 - 1)]
    assert cards == [["J", "10", "6", "4"], ["2", "Q", "10", "4"], ["5", "9", "J", "6"]]


def test_the_oracle_solves_every_hand():
    for variant in VARIANTS.values():
        game = session(**variant.options)
        for seed in range(30):
            game.reset(seed)
            outcome = game.step(game.oracle())
            assert (outcome.state, outcome.success) == (State.TERMINATED, True)


def test_attempts_go_on_until_the_budget_is_spent():
    game = session(max_turns=3)
    game.reset(7)
    states = [game.step("no idea").state for _ in range(3)]
    assert states == [State.CONTINUE, State.CONTINUE, State.TRUNCATED]


def test_a_late_success_is_a_success():
    game = session(max_turns=2)
    game.reset(7)
    game.step("no idea")
    assert game.step(game.oracle()).success


def test_a_blind_episode_has_all_its_attempts_and_the_last_one_decides():
    game = session(max_turns=2, revision="blind")
    assert game.reset(7).facts["revision"] == "blind"
    ends = []
    for attempts in [(True, True), (True, False), (False, True), (False, False)]:
        game.reset(7)
        first, last = (game.step(game.oracle() if right else "no idea") for right in attempts)
        assert (first.state, first.success) == (State.CONTINUE, False)
        ends.append((last.state, last.success))
    assert ends == [(State.TERMINATED, right) for right in (True, False, True, False)]


def test_reset_starts_afresh():
    game = session(max_turns=1)
    game.reset(7)
    assert game.step("no idea").state is State.TRUNCATED
    game.reset(7)
    assert game.step(game.oracle()).success


@given(st.integers(0, 2**63 - 1), st.sampled_from(["train", "heldout"]), st.sampled_from(["ten", "rank"]))
def test_hands_are_solvable_and_of_the_split(seed, split, faces):
    values = tuple(sorted(session(split=split, faces=faces).reset(seed).facts["values"]))
    assert held_out(values) == (split == "heldout")
    assert solvable(values, 24)


@pytest.mark.parametrize("deal", ["uniform", "face"])
def test_varied_faces_draw_a_rule_for_each_hand(deal):
    game, rules = session(faces="varied", deal=deal, split="train"), set()
    for seed in range(200):
        start = game.reset(seed)
        rule = tuple(start.facts["faces"])
        counts = dict(zip("JQK", rule, strict=True)) | {"A": 1}
        assert start.facts["values"] == [int(counts.get(card, card)) for card in start.facts["cards"]]
        assert "J counts as {}, Q as {} and K as {}".format(*rule) in start.observation.messages[0].text
        rules.add(rule)
    assert len(rules) > 150
    assert not rules & set(RULES.values())
    assert {value for rule in rules for value in rule} == set(range(1, 14))


def test_facts_hold_what_the_prompt_does_not_give_away():
    start = session(prompt="compact", faces="rank", deal="face").reset(3)
    assert json.loads(json.dumps(start.facts)) == start.facts
    (message,) = start.observation.messages
    assert message.text.endswith("cards " + " ".join(start.facts["cards"]))


def test_steps_survive_anything():
    game = session(max_turns=100)
    game.reset(1)
    for response in ("", "\x00", "{" * 100_000, "9**9**9", "٢٤", "(" * (1 << 20)):
        assert game.step(response).state is State.CONTINUE


def test_variants_validate_and_have_an_in_and_an_out_of_distribution():
    for variant in GeneralPoints.variants.values():
        GeneralPointsOptions.model_validate(variant.options)
    assert GeneralPoints.variants["id"].role == "id"
    assert GeneralPoints.variants["ood"].role == "ood"


@pytest.mark.parametrize(
    ("group", "plugin"),
    [("farfield.environments", GeneralPoints), ("farfield.verifiers", GeneralPointsVerifier)],
)
def test_entry_points(group, plugin):
    (found,) = entry_points(group=group, name="generalpoints")
    assert found.load() is plugin
    assert plugin.executor == "inline"
