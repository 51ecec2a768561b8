from random import Random

import pytest

from farfield_generalpoints import GeneralPoints, GeneralPointsOptions
from farfield_generalpoints.demonstrations import random_formula, right_attempt, wrong_attempt
from farfield_generalpoints.formula import read
from farfield_generalpoints.judging import Fault, Problem, judge

HAND = Problem(("5", "6", "8", "8"), (5, 6, 8, 8), (10, 10, 10), 24, "compact")


def demonstrate(seed: int, style: str, **options):
    (found,) = GeneralPoints.demonstrate(GeneralPointsOptions(**options), seed, style)
    return found


def replay(seed: int, options: dict, demonstration) -> list[bool]:
    """Success of each assistant message when it is played."""
    game = GeneralPoints(GeneralPointsOptions(**options))
    opening = game.reset(seed).observation.messages
    assert demonstration.sample.messages[:1] == opening
    return [game.step(m.text).success for m in demonstration.sample.messages if m.role == "assistant"]


@pytest.mark.parametrize("style", ["optimal", "answer_only", "worked"])
@pytest.mark.parametrize("form", ["paper", "compact"])
def test_single_styles_show_one_right_answer(form, style):
    for seed in range(30):
        shown = demonstrate(seed, style, prompt=form)
        assert replay(seed, {"prompt": form}, shown) == [True]
        assert shown.weights == (1.0,)


@pytest.mark.parametrize("form", ["paper", "compact"])
def test_revision_fails_first_and_trains_on_the_right_answer_alone(form):
    lengths = set()
    for seed in range(40):
        shown = demonstrate(seed, "revision", prompt=form)
        successes = replay(seed, {"prompt": form}, shown)
        assert successes == [False] * (len(successes) - 1) + [True]
        assert shown.weights == tuple(map(float, successes))
        lengths.add(len(successes))
    assert lengths == {2, 3, 4, 5}


def test_styles_differ_in_the_working_alone():
    def target(form, style):
        return demonstrate(2, style, prompt=form).sample.messages[-1].text

    assert target("compact", "worked") == target("compact", "optimal")
    values, *_, formula = target("compact", "optimal").split(" : ")
    assert target("compact", "answer_only") == f"{values} : {formula}"
    assert target("paper", "answer_only") == target("paper", "optimal")
    assert target("paper", "worked").endswith(" = 24\n" + target("paper", "optimal"))


def test_revision_with_a_budget_of_one_is_optimal():
    assert demonstrate(3, "revision", max_turns=1).weights == (1.0,)


@pytest.mark.parametrize(
    ("style", "rights"), [("revision", [False, False, True]), ("optimal", [True, True, True])]
)
def test_blind_demonstrations_have_every_attempt(style, rights):
    blind = {"revision": "blind", "max_turns": 3, "prompt": "compact"}
    for seed in range(10):
        shown = demonstrate(seed, style, **blind)
        assert replay(seed, blind, shown) == [False, False, True]
        assert shown.weights == tuple(map(float, rights))


def test_the_same_seed_shows_the_same():
    assert demonstrate(5, "revision") == demonstrate(5, "revision")
    assert demonstrate(5, "revision") != demonstrate(6, "revision")


def test_an_unknown_style_is_named():
    with pytest.raises(ValueError, match="unknown demonstration style 'perfect'"):
        demonstrate(1, "perfect")


def test_different_seeds_show_different_solutions_of_a_hand():
    assert len({right_attempt(HAND, Random(seed)) for seed in range(40)}) > 4


def test_wrong_attempts_fail_in_several_ways_but_are_well_formed():
    rng, seen = Random(0), set()
    for _ in range(200):
        response, faults = wrong_attempt(HAND, rng)
        assert faults == judge(HAND, response)
        seen.update(faults)
    assert seen == {Fault.VALUE, Fault.UNUSED, Fault.FOREIGN}


def test_random_formulas_are_legal_and_use_every_number():
    rng = Random(1)
    for _ in range(200):
        reading = read(random_formula([3, 5, 7, 11], rng))
        assert reading.legal
        assert not reading.unfinished
        assert sorted(reading.numbers) == [3, 5, 7, 11]
