import json
from importlib.metadata import entry_points

import pytest
from pydantic import ValidationError

from farfield_sdk import Attempt, Image, State, in_split
from farfield_virl import VerifierOptions, Virl, VirlOptions, VirlVerifier
from farfield_virl.environment import VARIANTS
from farfield_virl.words import COMPACT_WORDS

NONSENSE = "no idea"
SMALL = {"view_size": 32, "max_roads": 2, "points_per_road": 2}
"""Options that make few and small pictures."""


def session(**options) -> Virl:
    return Virl(VirlOptions(**options))


def walk(game: Virl, seed: int):
    """The expert's outcomes, and the start."""
    start, outcomes = game.reset(seed), []
    while not outcomes or outcomes[-1].state is State.CONTINUE:
        outcomes.append(game.step(game.oracle()))
    return start, outcomes


def test_a_seed_names_the_same_route_everywhere():
    """Pinned: curves and checkpoints of other machines and Python versions rest on it."""
    facts = [session().reset(seed).facts for seed in (0, 1, 2**63 - 1)]
    assert [(one["route"], one["points"], one["heading"]) for one in facts] == [
        ("brickton 36-37-28-18-27", 15, 171),
        ("brickton 66-67-58-59-68", 11, 33),
        ("brickton 69-78-79-70", 12, 99),
    ]


@pytest.mark.parametrize("prompt", ["paper", "compact"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_the_oracle_walks_every_variant(variant, prompt):
    game = session(**VARIANTS[variant].options, prompt=prompt, **SMALL)
    for seed in range(1 if "views" in str(VARIANTS[variant].options) else 40):
        _, outcomes = walk(game, seed)
        assert (outcomes[-1].state, outcomes[-1].success) == (State.TERMINATED, True)
        assert all(
            one.metrics["per_step_correct"] == one.metrics["observation_correct"] == 1 for one in outcomes
        )
        assert outcomes[-1].metrics["progress"] == 1


def test_a_right_action_asks_afresh_with_a_longer_history():
    game = session()
    (first,) = game.reset(5).observation.messages
    action = json.loads(game.oracle())["action"]
    outcome = game.step(game.oracle())
    assert outcome.observation.fresh_context
    (second,) = outcome.observation.messages
    assert "A_1: ?" in first.text
    assert f"A_1: {action}" in second.text
    assert "A_2: ?" in second.text


def test_a_failed_attempt_chains_and_a_spent_budget_ends_the_route():
    game = session(budget=2)
    game.reset(5)
    first, second = game.step(NONSENSE), game.step(NONSENSE)
    assert (first.state, first.observation.messages) == (State.CONTINUE, ())
    assert not first.observation.fresh_context
    assert (second.state, second.success) == (State.TRUNCATED, False)
    assert first.metrics == {"per_step_correct": 0, "observation_correct": 0, "progress": 0}


def test_the_budget_is_of_each_point():
    game = session(budget=2)
    game.reset(5)
    for _ in range(3):
        assert game.step(NONSENSE).state is State.CONTINUE
        assert game.step(game.oracle()).state is State.CONTINUE


def test_reset_starts_afresh():
    game = session(budget=1)
    start = game.reset(7)
    assert game.step(NONSENSE).state is State.TRUNCATED
    assert game.reset(7) == start


def test_facts_hold_what_the_prompt_does_not():
    for prompt in ("paper", "compact"):
        start = session(prompt=prompt).reset(3)
        assert json.loads(json.dumps(start.facts)) == start.facts
        assert start.facts["targets"][0]["action"].startswith("turn_direction")
        assert "turn_direction(n" not in start.observation.messages[0].text
        assert start.facts["route"] not in start.observation.messages[0].text


def test_views_do_not_say_in_words_what_is_to_be_seen():
    text, views = (session(prompt="compact", modality=one, **SMALL) for one in ("text", "views"))
    told, shown = walk(text, 4)[1], walk(views, 4)[1]
    assert len(told) == len(shown)
    for one, other in zip(told[:-1], shown[:-1], strict=True):
        said, (image, words) = one.observation.messages[0].text, other.observation.messages[0].parts
        assert isinstance(image, Image)
        now = words.text.rpartition(" now ")[2]
        assert now in ("see view", "see view crossing")
        assert now.endswith("crossing") == said.endswith("crossing")
        assert words.text.rpartition(" now ")[0] == said.rpartition(" now ")[0]


def test_the_stop_is_not_given_away():
    """At the destination there is no hint at an intersection, and the walk up to it looks like any road."""
    game = session(prompt="compact", modality="views", **SMALL)
    _, outcomes = walk(game, 4)
    assert outcomes[-2].observation.messages[0].text.endswith("now see view")


@pytest.mark.parametrize("split", ["train", "heldout"])
def test_splits(split):
    game = session(split=split)
    assert all(in_split(game.reset(seed).facts["route"], split) for seed in range(50))


def test_limits_on_roads():
    game = session(min_roads=2, max_roads=2, points_per_road=0)
    assert {game.reset(seed).facts["points"] for seed in range(20)} == {3}
    longer = session(min_roads=5, max_roads=6, points_per_road=0)
    assert {longer.reset(seed).facts["points"] for seed in range(40)} == {6, 7}


def test_the_two_action_spaces_share_routes_and_directions():
    """OOD by rule: the same walk, other names for the turns."""
    absolute, relative = (session(actions=space).reset(11) for space in ("absolute", "relative"))
    texts = [start.observation.messages[0].text for start in (absolute, relative)]
    assert texts[0].partition("Actions:")[0] == texts[1].partition("Actions:")[0]
    assert absolute.facts["route"] == relative.facts["route"]


def test_the_compact_form_keeps_to_its_vocabulary():
    verifier, known = VirlVerifier(VerifierOptions()), set(COMPACT_WORDS)
    for variant in VARIANTS.values():
        game = session(**variant.options, prompt="compact", **SMALL)
        for seed in range(1 if "views" in str(variant.options) else 30):
            start, outcomes = walk(game, seed)
            texts = [one.observation.messages[0].text for one in (start, *outcomes[:-1])]
            texts.append(game.oracle())
            for response in (NONSENSE, "see none do go act jump", "see none do go act stop"):
                attempt = Attempt(response, start.facts)
                texts.append(verifier.verify(attempt).feedback)
            assert set(" ".join(texts).split()) <= known


def test_the_vocabulary_is_small():
    assert len(COMPACT_WORDS) == len(set(COMPACT_WORDS)) < 90


def test_steps_survive_anything():
    game = session(budget=100)
    game.reset(1)
    for response in ("", "\x00", "{" * 100_000, "see " + " do" * 100_000, "no " * 100_000 + "intersection"):
        assert game.step(response).state is State.CONTINUE


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"min_roads": 5, "max_roads": 3}, "min_roads 5 is more than max_roads 3"),
        ({"max_roads": 1}, "2 to 12 roads, not 1 to 1"),
        ({"max_roads": 13}, "2 to 12 roads"),
        ({"world": "published"}, "needs `data`"),
        ({"world": "published", "data": "/nowhere"}, "/nowhere: cannot be read"),
        ({"cities": []}, "at least 1 item"),
        ({"cities": ["atlantis"]}, "brickton"),
        ({"budget": 0}, "greater than or equal to 1"),
        ({"view_size": 5000}, "less than or equal to 1200"),
        ({"speed": 1}, "Extra inputs"),
    ],
)
def test_options_that_cannot_be(options, complaint):
    with pytest.raises(ValidationError, match=complaint):
        VirlOptions(**options)


def test_variants_validate_and_have_an_in_and_an_out_of_distribution():
    for variant in Virl.variants.values():
        VirlOptions.model_validate(variant.options)
    roles = {name: variant.role for name, variant in Virl.variants.items()}
    assert roles == {
        "id": "id",
        "ood_rule": "ood",
        "id_views": "id",
        "ood_rule_views": "ood",
        "ood_look": "ood",
        "ood_city": "other",
    }


@pytest.mark.parametrize(
    ("group", "plugin"),
    [("farfield.environments", Virl), ("farfield.verifiers", VirlVerifier)],
)
def test_entry_points(group, plugin):
    (found,) = entry_points(group=group, name="virl")
    assert found.load() is plugin
