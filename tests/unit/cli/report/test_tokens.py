from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from farfield_cli.report.tokens import decoder


def test_tokens_of_bytes_join_to_the_text(tmp_path: Path) -> None:
    """A character of several tokens stands at its last one."""
    alphabet = {letter: index for index, letter in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    tokenizer = Tokenizer(models.BPE(vocab=alphabet, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    decode = decoder([tmp_path / "missing", tmp_path])
    assert decode
    pieces = decode(tokenizer.encode("a é\n").ids)
    assert pieces == ["a", " ", "", "é", "\n"]


def test_without_a_tokenizer_there_are_no_tokens(tmp_path: Path) -> None:
    assert decoder([tmp_path]) is None
