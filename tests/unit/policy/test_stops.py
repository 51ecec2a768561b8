import pytest

from farfield_policy.stops import cut, ends, hit

LETTERS = "abcdefghijklmnopqrstuvwxyz"


def letters(ids: list[int]) -> str:
    return "".join(LETTERS[i] if i < 26 else "" for i in ids)


def test_a_text_is_cut_after_the_stop_that_ends_first() -> None:
    assert cut("one two three", ["three", "two"]) == "one two"
    assert cut("abcd", ["abc", "b"]) == "ab"
    assert cut("abc", ["x"]) is None


def test_a_stop_is_found_with_its_last_token() -> None:
    ids = [LETTERS.index(letter) for letter in "hereisastophere"]
    found = [hit(ids[:count], ["stop", "never"], letters) for count in range(1, len(ids) + 1)]
    assert found.index("hereisastop") == len("hereisastop") - 1


@pytest.mark.parametrize("silent", [0, 3, 40])
def test_a_stop_is_found_across_tokens_without_text(silent: int) -> None:
    ids = [0, 1, *[26] * silent, 2]
    assert hit(ids, ["bc"], letters) == "abc"


def test_a_token_may_hold_several_stops_and_more() -> None:
    words = ["answer ", "42\n\nnext\n\n"]
    assert hit([0, 1], ["\n\n"], lambda ids: "".join(words[i] for i in ids)) == "answer 42\n\n"


def test_a_long_last_token_does_not_hide_what_stands_before_it() -> None:
    pieces = {0: "x", 1: "", 2: "a", 3: "b" + "c" * 50}
    ids = [0, 2, *[1] * 30, 3]
    assert hit(ids, ["ab"], lambda some: "".join(pieces[i] for i in some)) == "xab"


def test_what_only_the_tail_shows_is_no_stop() -> None:
    """A decoder that strips the first space: the tail begins with what the whole text has not."""

    def decode(ids: list[int]) -> str:
        return "".join(f" {LETTERS[i]}" for i in ids).removeprefix(" ")

    ids = [0, 1] * 10
    assert hit(ids, ["ba"], decode) is None


def test_a_stop_may_have_to_be_where_a_token_ends() -> None:
    def words(ids: list[int]) -> str:
        return "".join(("one ", "stop", "per", " now")[i] for i in ids)

    assert hit([0, 1, 2], ["top"], words) == "one stop"
    assert ends([0, 1], ["never", "top"], words) == "one stop"
    assert ends([0, 1, 2], ["top"], words) is None
    assert ends([0, 1, 2, 3], ["r now"], words) == "one stopper now"
