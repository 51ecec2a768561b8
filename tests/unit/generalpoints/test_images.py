"""The vision form of the game: cards in a picture alone."""

import json

import pytest
from pydantic import ValidationError

from farfield_generalpoints import GeneralPoints, GeneralPointsOptions, GeneralPointsVerifier, VerifierOptions
from farfield_generalpoints.cards import SUITS
from farfield_generalpoints.judging import Problem
from farfield_generalpoints.prompts import task
from farfield_sdk import Attempt, Image, State

SMALL = {"modality": "image", "image_height": 64}
FORMS = pytest.mark.parametrize("form", ["paper", "compact"])


def session(**options) -> GeneralPoints:
    return GeneralPoints(GeneralPointsOptions.model_validate({**SMALL, **options}))


def verdict_of(response: str, facts, rewards: str = "paper"):
    return GeneralPointsVerifier(VerifierOptions(rewards=rewards)).verify(Attempt(response, facts))


@FORMS
def test_the_message_is_a_picture_and_the_task(form):
    (message,) = session(prompt=form).reset(3).observation.messages
    image, text = message.parts
    assert isinstance(image, Image)
    assert (image.media_type, image.data[:4]) == ("image/png", b"\x89PNG")
    assert "24" in text.text


@FORMS
def test_the_prompt_is_the_same_whatever_the_cards(form):
    """So nothing in it can tell them."""
    game = session(prompt=form, faces="rank")
    starts = [game.reset(seed) for seed in range(20)]
    assert len({start.observation.messages[0].text for start in starts}) == 1
    assert len({start.observation.messages[0].parts[0] for start in starts}) == 20


@FORMS
def test_feedback_does_not_name_the_cards_either(form):
    game, texts = session(prompt=form), set()
    for seed in range(10):
        facts = game.reset(seed).facts
        texts.add(verdict_of("no idea", facts).feedback)
    assert len(texts) == 1


def test_facts_hold_the_cards_that_are_shown():
    text, image = GeneralPoints(GeneralPointsOptions()).reset(5).facts, session().reset(5).facts
    assert image == {**text, "image": True}
    assert json.loads(json.dumps(image)) == image


@pytest.mark.parametrize("rewards", ["paper", "reference", "outcome"])
@FORMS
def test_the_oracle_reads_the_cards_and_solves(form, rewards):
    game = session(prompt=form, faces="rank", deal="face")
    for seed in range(20):
        facts = game.reset(seed).facts
        verdict = verdict_of(game.oracle(), facts, rewards)
        assert verdict.correct
        assert verdict.reward == (1 if rewards == "outcome" else 5)
        assert verdict.terms["recognition"] == 1
        assert game.step(game.oracle()).metrics == {
            "recognition": 1,
            "reads_rule": 1,
            "builds_formula": 1,
        }


@pytest.mark.parametrize("rewards", ["paper", "reference"])
@pytest.mark.parametrize(
    ("response", "reward", "recognition"),
    [
        ("5 6 8 Q : 5 6 8 10 : ( 10 - 6 ) * ( 8 - 5 ) + 12", -1.5, 0),
        ("5 6 8 10 : 1", -1.5, 0),
        ("K 8 6 5 : 5 6 8 10 : 5 + 6 + 8 + 10 = 24", -1, 1),
        ("5 6 8 K : 5 + 6 = 24", -2, 1),
        ("no idea", -3, 0),
    ],
)
def test_recognition_is_judged_first_and_is_no_part_of_the_reward(rewards, response, reward, recognition):
    facts = {
        "cards": ["5", "6", "8", "K"],
        "values": [5, 6, 8, 10],
        "faces": [10, 10, 10],
        "target": 24,
        "prompt": "compact",
        "image": True,
    }
    verdict = verdict_of(response, facts, rewards)
    assert (verdict.reward, verdict.terms["recognition"]) == (reward, recognition)
    assert verdict_of(response, facts, "outcome").terms == {"solved": 0, "recognition": recognition}


def test_text_has_no_recognition():
    game = GeneralPoints(GeneralPointsOptions())
    facts = game.reset(1).facts
    assert "recognition" not in verdict_of(game.oracle(), facts).terms
    assert game.step("no idea").metrics == {}


def test_a_misread_hand_goes_on_and_is_measured():
    game = session()
    game.reset(1)
    outcome = game.step('{"cards": ["A"], "formula": "1"}')
    assert (outcome.state, outcome.metrics) == (State.CONTINUE, {"recognition": 0.0})


def test_the_same_seed_deals_the_same_hand_in_text_and_in_a_picture():
    for suits, dealt in (("all", set(SUITS)), ("black", {"♠", "♣"}), ("red", {"♥", "♦"})):
        game = session(suits=suits)
        starts = [game.reset(seed) for seed in range(30)]
        assert {suit for start in starts for suit in start.facts["suits"]} == dealt
        texts = GeneralPoints(GeneralPointsOptions())
        cards = [texts.reset(seed).facts["cards"] for seed in range(30)]
        assert [start.facts["cards"] for start in starts] == cards


def test_variants_of_rule_and_of_look():
    by_rule, by_look = (
        {**GeneralPoints.variants[name].options, "image_height": 64} for name in ("vl-id", "vl-red")
    )
    one, other = session(**by_rule).reset(2), session(**by_look).reset(2)
    assert one.facts == other.facts
    assert one.observation.messages[0].parts[0] != other.observation.messages[0].parts[0]
    roles = {name: variant.role for name, variant in GeneralPoints.variants.items() if name[:2] == "vl"}
    assert roles == {"vl-id": "id", "vl-ood": "ood", "vl-red": "ood"}


def test_a_palette_of_one_s_own():
    palette = {"spades": "#0050a0", "hearts": "#c01020", "diamonds": "#a04000", "clubs": "#006030"}
    assert session(colours=palette).reset(1) == session(colours=palette).reset(1)
    assert session(colours=palette).reset(1).observation != session().reset(1).observation


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"image_height": 63}, "greater than or equal to 64"),
        ({"image_height": 1201}, "less than or equal to 1200"),
        ({"modality": "vision"}, "'text' or 'image'"),
        ({"suits": "hearts"}, "'all', 'black' or 'red'"),
        ({"colours": "blue"}, "'black', 'red' or 'standard'"),
        ({"colours": {"spades": "#000000"}}, r"hearts\n  Field required"),
        ({"colours": dict.fromkeys(["spades", "hearts", "diamonds", "clubs"], "navy")}, "match pattern"),
        (
            {"colours": dict.fromkeys(["spades", "hearts", "diamonds", "clubs"], "#ffee00")},
            "#ffee00 cannot be read on a white card: choose a darker colour",
        ),
    ],
)
def test_wrong_options_are_refused_with_a_reason(options, message):
    with pytest.raises(ValidationError, match=message):
        GeneralPointsOptions.model_validate(options)


@FORMS
@pytest.mark.parametrize("style", ["optimal", "revision"])
def test_demonstrations_begin_with_the_picture_and_end_right(style, form):
    misread = 0
    for seed in range(20):
        options = GeneralPointsOptions.model_validate({**SMALL, "prompt": form})
        (shown,) = GeneralPoints.demonstrate(options, seed, style)
        game = GeneralPoints(options)
        assert game.reset(seed).observation.messages == shown.sample.messages[:1]
        answers = [message.text for message in shown.sample.messages if message.role == "assistant"]
        outcomes = [game.step(answer) for answer in answers]
        assert [outcome.success for outcome in outcomes] == [False] * (len(outcomes) - 1) + [True]
        misread += sum(not outcome.metrics["recognition"] for outcome in outcomes)
    assert (misread > 0) == (style == "revision")


def test_prompts_of_a_picture():
    hand = Problem(("A", "10", "J", "K"), (1, 10, 11, 13), (11, 12, 13), 24, "compact", image=True)
    assert task(hand) == "target 24 J 11 Q 12 K 13 cards shown"
