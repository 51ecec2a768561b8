import pytest

from farfield_conformance.leaks import another_answer, cores, leaks, stands_in


@pytest.mark.parametrize(
    ("answer", "text", "found"),
    [
        ("7", "say 7", True),
        ("7", "say 17", False),
        ("7", "7th or 7", True),
        (" 7\n", "(7)", True),
        ("", "anything", False),
        ("answer: 7", "not answer: 71", False),
    ],
)
def test_an_answer_stands_in_a_text_as_words_of_its_own(answer: str, text: str, found: bool) -> None:
    assert stands_in(answer, text) is found


@pytest.mark.parametrize(
    ("answers", "shown", "found"),
    [
        (["1", "2", "3"], ["it is 1", "it is 2", "it is 3"], True),
        (["1", "2", "3"], ["it is 1", "it is 2", "guess"], True),  # most do
        (["1", "2", "3", "4"], ["1 and 2", "2 and 3", "1 and 4", "1 and 2"], False),  # chance
        (["<a>1</a>", "<a>2</a>"], ["it is 1", "it is 2"], True),  # without what is around it
        (["It is 7.", "It is -7."], ["3 + 4", "it is"], False),  # the words around it alone
        (["go", "go"], ["go or stop", "go or stop"], False),  # always the same
        (["A", "B", "A"], ["A or B?", "A or B?", "A or B?"], False),  # choices
        (["x"], ["x"], False),  # nothing to compare with
    ],
)
def test_answers_leak_where_each_text_has_its_own(answers: list[str], shown: list[str], found: bool) -> None:
    assert bool(leaks(answers, shown)) is found


@pytest.mark.parametrize(
    ("answers", "found"),
    [
        (["The sum is 7.", "The sum is -12."], ["7", "-12"]),
        (["<answer>3.5 m</answer>", "<answer>3 m</answer>"], ["3.5", "3"]),
        (
            ['{"cards": ["K"], "formula": "13+1"}', '{"cards": ["A"], "formula": "1*1"}'],
            ['K"], "formula": "13+1', 'A"], "formula": "1*1'],
        ),
        (["yes", "yes"], ["yes", "yes"]),
        (["0 0 8 0", "0 5 5 0"], ["0 8", "5 5"]),
        (["a a", "a a a"], ["a a", "a a a"]),
        (["→", "←"], ["→", "←"]),
        ([], []),
    ],
)
def test_the_core_of_an_answer_is_between_the_words_that_all_have(
    answers: list[str], found: list[str]
) -> None:
    assert cores(answers) == found


def test_texts_that_leak_are_named() -> None:
    assert leaks(["1", "2", "3"], ["it is 1", "guess", "it is 3"]) == [0, 2]


def test_another_answer_is_the_next_that_differs() -> None:
    assert another_answer(["a", "a", "b", "c"]) == ["b", "b", "c", "a"]
    assert another_answer(["a", "a"]) == ["a", "a"]
