import pytest

from farfield_openenv.adapter.actions import NoAction, action_of, blamed
from farfield_openenv.adapter.link import EnvironmentFault, Refused
from farfield_openenv.adapter.options import OpenEnvOptions

URL = "http://127.0.0.1:1"


def test_text_is_the_value_of_one_field() -> None:
    options = OpenEnvOptions(url=URL, action_field="guess", action={"kind": "word"})
    assert action_of("crane\n", options) == {"kind": "word", "guess": "crane\n"}


@pytest.mark.parametrize(
    "response",
    [
        '{"x": 1}',
        ' {"x": 1}\n',
        'So:\n```json\n{"x": 1}\n```',
        '```\n{"x": 0}\n```\nno,\n```\n{"x": 1}\n```\n',
    ],
)
def test_json_is_the_action(response: str) -> None:
    options = OpenEnvOptions(url=URL, action_format="json", action={"kind": "move"})
    assert action_of(response, options) == {"x": 1, "kind": "move"}


@pytest.mark.parametrize(
    ("response", "says"),
    [("left", "no JSON object"), ("[1]", "a JSON list"), ("[" * 100_000, "no JSON"), ('{"x": 1', "no JSON")],
)
def test_what_is_no_json_object_is_no_action(response: str, says: str) -> None:
    with pytest.raises(NoAction, match=says):
        action_of(response, OpenEnvOptions(url=URL, action_format="json"))


def refused(*errors: tuple[str, str]) -> Refused:
    return Refused(
        "Invalid message", [{"loc": [field], "type": kind, "msg": "wrong"} for field, kind in errors]
    )


def test_the_policy_is_to_blame_for_what_it_wrote() -> None:
    of_text = OpenEnvOptions(url=URL, action_field="guess")
    assert isinstance(blamed(refused(("guess", "string_too_long")), of_text), NoAction)
    of_json = OpenEnvOptions(url=URL, action_format="json")
    assert isinstance(blamed(refused(("x", "missing")), of_json), NoAction)


@pytest.mark.parametrize(
    "errors",
    [[("message", "extra_forbidden")], [("guess", "missing")], [("guess", "bad"), ("x", "missing")], []],
)
def test_the_options_are_to_blame_for_fields(errors: list[tuple[str, str]]) -> None:
    fault = blamed(refused(*errors), OpenEnvOptions(url=URL, action_field="guess"))
    assert isinstance(fault, EnvironmentFault)
    assert "set the options action_field and action" in str(fault)
