import pytest
from pydantic import ValidationError

from farfield_reasoning_gym import ReasoningGymOptions


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"dataset": "chain_sun"}, "has no data set 'chain_sun'; did you mean 'chain_sum'?"),
        ({"dataset": "codeio"}, "'codeio' is not offered: it runs programs of unknown origin"),
        ({"config": {"min_terms": 0}}, "min_terms must be positive"),
        ({"config": {"terms": 3}}, "'chain_sum' has no key 'terms'; it has: allow_negation, max_digits"),
        ({"config": {"seed": 3}}, "config.seed is not taken: the seed of the episode decides"),
        ({"level": 99}, "the curriculum of 'chain_sum' has levels 0 … 10, not 99"),
        ({"dataset": "acre", "level": 1}, "'acre' has no curriculum"),
        ({"max_turns": 0}, "greater than or equal to 1"),
        ({"answer": "json"}, "'tag' or 'whole'"),
    ],
)
def test_what_the_library_does_not_make_is_refused_in_its_words(given, says):
    with pytest.raises(ValidationError, match=says.replace("?", r"\?")):
        ReasoningGymOptions.model_validate(given)


def test_a_level_and_keys_of_the_configuration_over_it(make):
    entry = make(level=0).options.task.entry(1)
    assert entry["metadata"]["difficulty"] == {"num_terms": [2, 2], "num_digits": [1, 1]}
    entry = make(level=3, config={"min_terms": 5}).options.task.entry(1)
    assert entry["metadata"]["difficulty"] == {"num_terms": [5, 5], "num_digits": [1, 4]}


def test_options_that_differ_are_different_and_equal_ones_equal():
    given = {"dataset": "ab", "config": {"length": 4}}
    assert ReasoningGymOptions.model_validate(given) == ReasoningGymOptions.model_validate(given)
    assert ReasoningGymOptions.model_validate(given) != ReasoningGymOptions(dataset="ab")
