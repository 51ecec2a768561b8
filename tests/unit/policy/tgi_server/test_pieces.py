from farfield_policy.tgi_server.pieces import Pieces


def decode(ids) -> str:
    return bytes(ids).decode(errors="replace")


def test_a_character_of_several_tokens_is_said_by_its_last() -> None:
    pieces = Pieces(decode, b"ab")
    assert [pieces.add(token) for token in "cé€d".encode()] == ["c", "", "é", "", "", "€", "d"]


def test_pieces_begin_behind_whatever_the_prompt_holds() -> None:
    assert Pieces(decode, "é".encode()[:1]).add(ord("x")) == "x"
    assert Pieces(decode, b"").add(ord("x")) == "x"


def words(ids) -> str:
    """As SentencePiece: the space before the first word is not written."""
    return "".join(f" w{token}" for token in ids).removeprefix(" ")


def test_the_space_before_a_response_is_part_of_it() -> None:
    pieces = Pieces(words, [1, 2])
    assert [pieces.add(3), pieces.add(4)] == [" w3", " w4"]
