from dataclasses import dataclass

import torch

from farfield_trainer.learning.layout import layout, wanted
from farfield_trainer.learning.packing import pack


@dataclass
class Piece:
    sequence: int
    start: int
    end: int


SEQUENCES = [[1, 2, 3, 4, 5], [1, 2, 6]]
PIECES = [Piece(0, 1, 3), Piece(0, 4, 5), Piece(1, 2, 3)]


def test_tokens_are_numbered_turn_by_turn() -> None:
    flat = layout(PIECES, 2)
    assert flat.token_counts.tolist() == [2, 1, 1]
    assert flat.turn_of.tolist() == [0, 0, 1, 2]
    assert flat.position_of.tolist() == [1, 2, 4, 2]
    assert flat.sequence_of_token.tolist() == [0, 0, 0, 1]
    assert flat.sequence_of_turn.tolist() == [0, 0, 1]


def test_a_pass_finds_its_tokens() -> None:
    flat = layout(PIECES, 2)
    (micro,) = pack(SEQUENCES, [0, 1], 100, share=True, token_cost=1000)
    want = wanted(micro, flat, torch.device("cpu"))
    ids = micro.ids.reshape(-1)
    by_token = dict(
        zip(want.tokens.tolist(), zip(ids[want.sources], want.targets.tolist(), strict=True), strict=True)
    )
    assert by_token == {0: (1, 2), 1: (2, 3), 2: (4, 5), 3: (2, 6)}
    assert ids[want.prompts][want.turns.argsort()].tolist() == [1, 4, 2]
    assert want.turns[want.turn_of].tolist() == flat.turn_of[want.tokens].tolist()
