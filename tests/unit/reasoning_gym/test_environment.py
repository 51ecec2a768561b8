import pytest

from farfield_reasoning_gym.children import Child
from farfield_reasoning_gym.excluded import EXCLUDED
from farfield_reasoning_gym.survey import surveyed
from farfield_sdk import State, in_split

SET_ORDERED = ("isomorphic_strings", "ransom_note", "polynomial_multiplication")
"""Their items hang on the order of a set of strings."""


def test_a_single_attempt(make):
    game = make(dataset="knights_knaves")
    start = game.reset(7)
    (message,) = start.observation.messages
    assert message.text.startswith(start.facts["entry"]["question"])
    assert message.text.endswith("Give your final answer between <answer> and </answer>.")
    outcome = game.step("I think that <answer>nobody</answer>")
    assert (outcome.state, outcome.success, outcome.metrics) == (State.TRUNCATED, False, {"score": 0.0})


def test_revision(make):
    game = make(max_turns=3)
    game.reset(7)
    assert game.step("no idea").state is State.CONTINUE
    assert game.step("<answer>x</answer>").state is State.CONTINUE
    solved = game.step(f"<answer>1</answer> no, wait: {game.oracle()}")
    assert (solved.state, solved.success, solved.metrics) == (State.TERMINATED, True, {"score": 1.0})


def test_a_blind_episode_has_all_its_attempts_and_the_last_one_decides(make):
    game = make(max_turns=2, revision="blind")
    for attempts in [(True, True), (True, False), (False, True)]:
        game.reset(7)
        first, last = (game.step(game.oracle() if right else "no idea") for right in attempts)
        assert (first.state, first.success) == (State.CONTINUE, False)
        assert (last.state, last.success) == (State.TERMINATED, attempts[1])


def test_the_whole_response_as_the_answer(make):
    game = make(answer="whole")
    (message,) = game.reset(3).observation.messages
    assert message.text.endswith("Respond with the answer alone.")
    assert game.step(f" {game.oracle()}\n").success


def test_facts_name_the_task_and_hold_the_item(make):
    facts = make(dataset="ab", config={"length": 4}).reset(2).facts
    assert set(facts) == {"dataset", "config", "level", "answer", "entry", "revision"}
    assert (facts["dataset"], facts["config"], facts["level"]) == ("ab", {"length": 4}, None)
    assert set(facts["entry"]) == {"question", "answer", "metadata"}


def asked(game, seeds):
    return {game.reset(seed).facts["entry"]["question"] for seed in seeds}


def test_splits_share_no_question_and_other_seeds_do(make):
    few = {"config": {"min_terms": 2, "max_terms": 2, "min_digits": 1, "max_digits": 1}}
    everything, train, heldout = (make(**few, split=split) for split in ("all", "train", "heldout"))
    assert asked(everything, range(60)) & asked(everything, range(100, 160))
    assert not asked(train, range(60)) & asked(heldout, range(60))
    assert asked(heldout, range(60)) == asked(heldout, range(60))


def test_an_item_of_the_split_is_the_seeds_own(make):
    everything, train, heldout = (make(split=split) for split in ("all", "train", "heldout"))
    for seed in range(10):
        item, *others = (game.reset(seed).facts["entry"] for game in (everything, train, heldout))
        assert sum(item == other for other in others) == 1


def test_a_data_set_of_one_question_has_no_split(make):
    one = {"dataset": "count_primes", "config": {"min_n": 5, "max_n": 5}}
    (question,) = asked(make(**one), range(5))
    other = "train" if in_split(question, "heldout") else "heldout"
    with pytest.raises(ValueError, match=f"in the split '{other}': it has too few"):
        make(**one, split=other).reset(1)


@pytest.fixture(scope="module")
def pair():
    """Two processes of the library."""
    children = Child(), Child()
    yield children
    for child in children:
        child.close()


@pytest.mark.parametrize("dataset", ["chain_sum", *SET_ORDERED])
def test_a_seed_names_the_same_item_in_every_process(pair, dataset):
    task = {"dataset": dataset, "level": None, "config": {}}
    seeds = [5, 2**31 + 5, 2**63 - 1, 6]
    first = [pair[0].ask("entry", task, seed) for seed in seeds]
    second = [pair[1].ask("entry", task, seed) for seed in reversed(seeds)]
    assert first == second[::-1]
    assert first[0] == first[1] != first[3]  # seeds count modulo 2**31


def test_demonstrations_are_solved(make):
    game = make(dataset="countdown")
    options = game.options
    (demonstration,) = game.demonstrate(options, 11, "optimal")
    asked, target = demonstration.sample.messages
    assert game.reset(11).observation.messages == (asked,)
    assert game.step(target.text).success
    with pytest.raises(ValueError, match="unknown demonstration style 'worst'"):
        list(game.demonstrate(options, 11, "worst"))


@pytest.mark.parametrize("revision", ["verifier", "blind"])
@pytest.mark.parametrize("style", ["optimal", "revision"])
def test_demonstrations_of_several_attempts_end_right(make, style, revision):
    game = make(dataset="knights_knaves", max_turns=3, revision=revision)
    for seed in range(8):
        (shown,) = game.demonstrate(game.options, seed, style)
        game.reset(seed)
        said = [message.text for message in shown.sample.messages if message.role == "assistant"]
        outcomes = [game.step(text) for text in said]
        assert [outcome.state is State.CONTINUE for outcome in outcomes] == [True] * (len(said) - 1) + [False]
        assert outcomes[-1].success
        assert len(shown.weights) == len(said)
        if revision == "blind":
            assert len(said) == 3
        if style == "revision":
            assert shown.weights == (0.0,) * (len(said) - 1) + (1.0,)


def test_the_survey_finds_what_is_excluded_and_what_works():
    works = ("rearc", "graph_color", "propositional_logic")
    fails = ("rush_hour", "game_of_life_halting", "prime_factorization", "composite")
    found = dict(surveyed((*works, *fails), seeds=(0, 1)))
    assert {name for name, fault in found.items() if not fault} == set(works)
    assert set(fails) <= set(EXCLUDED)
    assert not set(works) & set(EXCLUDED)


def test_every_variant_is_valid(make):
    for variant in make().variants.values():
        assert make(**variant.options).reset(0)
