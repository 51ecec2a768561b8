import pytest

from farfield_virl import Virl, VirlOptions
from farfield_virl.demonstrations import STYLES
from farfield_virl.judging import judge, target_of


def demonstrations(style, seed=3, **options):
    return list(Virl.demonstrate(VirlOptions(**options), seed, style))


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("prompt", ["paper", "compact"])
def test_targets_are_what_the_environment_calls_right(style, prompt):
    """Each sample's prompt is the one that the walk shows, and its last message is accepted."""
    for seed in range(10):
        options = VirlOptions(prompt=prompt)
        game = Virl(options)
        shown = game.reset(seed).observation.messages
        for one in Virl.demonstrate(options, seed, style):
            assert one.sample.messages[0] == shown[0]
            outcome = game.step(one.sample.messages[-1].text)
            assert outcome.metrics["per_step_correct"] == 1
            shown = outcome.observation.messages
        assert outcome.success


def test_optimal_samples_are_one_answer():
    for one in demonstrations("optimal"):
        assert [message.role for message in one.sample.messages] == ["user", "assistant"]
        assert one.weights == (1.0,)


def test_revision_samples_begin_with_a_wrong_attempt_without_weight():
    options = {"prompt": "compact"}
    game = Virl(VirlOptions(**options))
    facts = game.reset(3).facts
    for turn, one in enumerate(demonstrations("revision", **options)):
        assert [message.role for message in one.sample.messages] == ["user", "assistant", "user", "assistant"]
        assert one.weights == (0.0, 1.0)
        _, wrong, feedback, right = (message.text for message in one.sample.messages)
        target = target_of(facts, turn)
        assert judge(target, wrong, "compact", "absolute")
        assert feedback
        facts = game.step(right).facts or facts


def test_a_budget_of_one_leaves_no_room_for_revision():
    assert all(len(one.weights) == 1 for one in demonstrations("revision", budget=1))


def test_demonstrations_repeat():
    assert demonstrations("revision") == demonstrations("revision")


def test_samples_in_views_carry_their_picture():
    samples = demonstrations("optimal", modality="views", view_size=32)
    assert all(len(one.sample.messages[0].parts) == 2 for one in samples)


def test_unknown_styles():
    with pytest.raises(ValueError, match="unknown demonstration style 'clever'"):
        demonstrations("clever")
