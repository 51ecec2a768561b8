import json
from random import Random

import pytest

from farfield_gymnasium.adapter import GymnasiumVerifier, VerifierOptions
from farfield_sdk import Attempt, Image, State

DRY = {"kwargs": {"is_slippery": False}}
ACROSS = ["down", "down", "right", "right", "down", "right"]
HOLE = ["down", "right"]


def play(game, actions):
    return [game.step(f"<action>{action}</action>") for action in actions]


def judge(outcome, response="", **options):
    verifier = GymnasiumVerifier(VerifierOptions(**options))
    given = {"facts": outcome.facts, "success": outcome.success, "state": outcome.state.value}
    return verifier.verify(Attempt(response, **given))


def test_across_the_lake(make):
    game = make(**DRY)
    (asked,) = game.reset(1).observation.messages
    assert "one of left, down, right, up" in asked.text
    assert asked.text.endswith("You are in row 0, column 0.\n\n[S]FFF\nFHFH\nFFFH\nHFFG")
    *before, last = play(game, ACROSS)
    assert {outcome.state for outcome in before} == {State.CONTINUE}
    assert before[0].observation.messages[0].text.startswith("You are in row 1, column 0.")
    assert (last.state, last.success, last.metrics["return"]) == (State.TERMINATED, True, 1.0)
    assert not last.observation.messages
    assert [judge(outcome).reward for outcome in (*before, last)] == [0, 0, 0, 0, 0, 1]
    assert judge(last).correct
    assert judge(last).terms == {"game": 1.0}


def test_into_a_hole(make):
    game = make(**DRY)
    game.reset(1)
    last = play(game, HOLE)[-1]
    assert (last.state, last.success) == (State.TERMINATED, False)
    assert not judge(last).correct


def test_an_illegal_action_costs_and_the_episode_goes_on(make):
    game = make(max_steps=3, **DRY)
    game.reset(1)
    for response in ("left", "<action>jump</action>"):
        outcome = game.step(response)
        assert (outcome.state, outcome.metrics["legal"]) == (State.CONTINUE, 0)
        verdict = judge(outcome)
        assert (verdict.reward, verdict.parseable, verdict.terms) == (-1, False, {"illegal": -1})
        assert judge(outcome, illegal_penalty=0.25).reward == -0.25
    assert verdict.feedback == "Nothing happened: 'jump' is not one of left, down, right, up."
    assert play(game, ["down"])[0].state is State.TRUNCATED


def test_the_last_word_or_number_is_the_action(make):
    game = make(action="last", **DRY)
    game.reset(1)
    for response, row in (("I go down", 1), ("up would be back, so: 1.", 2), ("not down but UP!", 1)):
        outcome = game.step(response)
        assert outcome.observation.messages[0].text.startswith(f"You are in row {row}")
    assert game.step("…").facts["illegal"] == "there is no word and no number in your response"


def test_what_was_won_decides_on_success(make):
    game = make("CliffWalking-v1")
    game.reset(1)
    last = play(game, ["up", *["right"] * 11, "down"])[-1]
    assert (last.success, last.metrics["return"]) == (True, -13)
    assert judge(last, scale=0.1).reward == pytest.approx(-0.1)
    strict = make("CliffWalking-v1", solved=-10)
    strict.reset(1)
    assert not play(strict, ["up", *["right"] * 11, "down"])[-1].success


def test_a_fare(make):
    game = make("Taxi-v4")
    (asked,) = game.reset(3).observation.messages
    assert "The taxi is in row 0, column 2. The passenger is at the red stop (R)" in asked.text
    # From (0, 2) around the wall to R (0, 0), and down to Y (4, 0).
    way = [
        "south",
        "south",
        "west",
        "west",
        "north",
        "north",
        "pickup",
        "south",
        "south",
        "south",
        "south",
        "dropoff",
    ]
    last = play(game, way)[-1]
    assert (last.state, last.success, last.facts["reward"]) == (State.TERMINATED, True, 20)


@pytest.mark.parametrize("game_id", ["FrozenLake-v1", "Taxi-v4", "Blackjack-v1", "CliffWalkingSlippery-v1"])
def test_the_same_seed_and_actions_give_the_same_episode(make, game_id):
    def episode(seed):
        game, rng = make(game_id), Random(5)
        told = [game.reset(seed)]
        while len(told) < 30:
            told.append(play(game, [rng.choice(game._names)])[0])
            if told[-1].state is not State.CONTINUE:
                break
        return told

    assert episode(2**62 + 1) == episode(2**62 + 1)
    assert len({repr(episode(seed)) for seed in range(8)}) > 1


@pytest.mark.parametrize("space", ["discrete", "text", "multi-discrete", "box", "tuple", "dict"])
def test_spaces_of_every_kind(make_echo, space):
    game = make_echo(space)
    (asked,) = game.reset(4).observation.messages
    action = asked.text.rpartition("Observation: ")[2]
    outcome = game.step(f"<action>{action}</action>")
    assert outcome.observation.messages[0].text == f"Observation: {action}"
    json.dumps(dict(outcome.facts))


def test_own_words_for_a_game(make):
    game = make("Echo-v0", render="ansi", rules="Say it.", actions=["One", "Two", "Three"])
    (asked,) = game.reset(4).observation.messages
    assert asked.text.startswith("Say it.\n\nIn each turn give your action between")
    assert "one of one, two, three." in asked.text
    assert asked.text.endswith("\n\n[@].")


def test_pictures(make):
    game = make("Pixels-v0", render="image")
    picture, text = game.reset(1).observation.messages[0].parts
    assert isinstance(picture, Image)
    assert picture.data.startswith(b"\x89PNG")
    assert "Observation" not in text.text
    picture, _ = game.step("<action>5</action>").observation.messages[0].parts
    assert isinstance(picture, Image)


def test_the_start_has_no_reward(make):
    facts = make().reset(1).facts
    with pytest.raises(ValueError, match="of the start of an episode"):
        GymnasiumVerifier(VerifierOptions()).verify(Attempt("", facts))
