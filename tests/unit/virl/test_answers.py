import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farfield_virl.actions import ACTIONS
from farfield_virl.answers import Answer, compact_action, compose, parse

GOOD = {"current observation": "o", "current instruction": "i", "action": "forward()"}


@pytest.mark.parametrize("action", sorted({*ACTIONS["absolute"], *ACTIONS["relative"]}))
def test_what_is_composed_is_parsed(action):
    paper = compose("paper", 'Joe\'s "Best" is on your left', "Turn left.", action)
    assert parse(paper, "paper") == Answer('Joe\'s "Best" is on your left', "Turn left.", action)
    compact = compose("compact", "oak bank left crossing", "go end oak bank left", action)
    assert parse(compact, "compact") == Answer("oak bank left crossing", "go end oak bank left", action)


def test_compact_actions():
    assert compact_action("turn_direction(slightly left)") == "turn slightly left"
    assert compact_action("forward()") == "forward"


def test_words_around_and_a_last_comma_are_let_pass():
    text = json.dumps(GOOD)
    assert parse(f"I think {{so}}. {text} Done.", "paper") == Answer("o", "i", "forward()")
    assert parse(text[:-1] + ",\n}", "paper") == Answer("o", "i", "forward()")


def test_the_last_object_counts():
    assert parse(json.dumps(GOOD) + json.dumps({**GOOD, "action": "stop()"}), "paper").action == "stop()"


@pytest.mark.parametrize(
    "response",
    [
        "",
        "forward()",
        "{}",
        "{" * 50_000,
        '{"action": "forward()"}',
        json.dumps({**GOOD, "action": ["forward()"]}),
        json.dumps([GOOD["action"]]),
        json.dumps(GOOD)[:-3],
        "\x00",
    ],
)
def test_malformed_for_either_form(response):
    assert parse(response, "paper") is None
    assert parse(response, "compact") is None


@pytest.mark.parametrize(
    "text", ["see none act forward", "none do go act forward", "see none do go act ", "see do act"]
)
def test_malformed_compact(text):
    assert parse(text, "compact") is None


def test_unknown_compact_actions_are_no_actions():
    for text in ("turn", "turn upward", "jump", "forward forward", "turn left turn left"):
        answer = parse(f"see none do go crossing act {text}", "compact")
        assert answer is None or answer.action not in {*ACTIONS["absolute"], *ACTIONS["relative"]}


@given(st.text(max_size=300))
def test_anything_may_come(response):
    parse(response, "paper")
    parse(response, "compact")
