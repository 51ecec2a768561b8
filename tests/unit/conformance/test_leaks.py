import pytest

from farfield_conformance.leaks import leaks, stands_in


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
        (["1", "2", "3"], ["it is 1", "it is 2", "guess"], False),  # chance
        (["A", "B", "A"], ["A or B?", "A or B?", "A or B?"], False),  # choices
        (["x"], ["x"], False),  # nothing to compare with
    ],
)
def test_answers_leak_where_each_text_has_its_own(answers: list[str], shown: list[str], found: bool) -> None:
    assert leaks(answers, shown) is found
