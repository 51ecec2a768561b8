import pytest
from pydantic import ValidationError

from farfield_gymnasium.adapter import GymnasiumGame, GymnasiumOptions


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"id": "FrozenLak-v1"}, "game 'FrozenLak-v1': Environment `FrozenLak` doesn't exist. Did you mean"),
        ({"kwargs": {"slippery": True}}, "unexpected keyword argument 'slippery'"),
        ({"kwargs": {"render_mode": "ansi"}}, "kwargs.render_mode is not taken: set `render`"),
        (
            {"id": "Echo-v0", "kwargs": {"space": "sequence"}},
            "its actions are a Sequence: they cannot be read",
        ),
        ({"id": "Pixels-v0", "render": "none"}, "its observations are a Box of 192 numbers, more than 64"),
        ({"id": "Blackjack-v1", "render": "ansi"}, "it has no render mode 'ansi'"),
        (
            {"id": "Echo-v0", "kwargs": {"space": "box"}, "action": "last"},
            "its actions are not discrete: read them with `action: tag`",
        ),
        ({"id": "Echo-v0", "actions": ["one", "two"]}, "2 names in `actions` for 3 discrete actions"),
        (
            {"id": "Echo-v0", "kwargs": {"space": "text"}, "actions": ["one"]},
            "1 names in `actions` for no discrete actions",
        ),
        ({"max_steps": 0}, "greater than or equal to 1"),
    ],
)
def test_what_cannot_be_played_is_refused(make, given, says):
    with pytest.raises(ValidationError) as refused:
        GymnasiumOptions.model_validate(given)
    assert says in str(refused.value)


@pytest.mark.parametrize("name", GymnasiumGame.variants)
def test_every_variant_is_played(name):
    game = GymnasiumGame(GymnasiumOptions.model_validate(GymnasiumGame.variants[name].options))
    assert game.reset(0).observation.messages[0].text
    assert game.step(f"<action>{game._names[0]}</action>").metrics["legal"] == 1


def test_limits(make):
    assert make().options.limit == 100
    assert make("CliffWalking-v1").options.limit == 100
    assert make("Taxi-v4").options.limit == 200
    assert make("Taxi-v4", max_steps=7).options.limit == 7
