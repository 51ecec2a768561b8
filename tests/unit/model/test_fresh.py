from pathlib import Path

from safetensors.numpy import load_file

from farfield_model import fresh

TINY = Path(__file__).parents[3] / "examples" / "tiny" / "checkpoint"


def test_a_seed_names_weights_and_all_else_is_the_checkpoints(tmp_path: Path) -> None:
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        fresh.draw(TINY, tmp_path / name, seed)
    drawn = {name: (tmp_path / name / "model.safetensors").read_bytes() for name in "abc"}
    assert drawn["a"] == drawn["b"] != drawn["c"]
    assert (tmp_path / "a" / "tokenizer.json").read_bytes() == (TINY / "tokenizer.json").read_bytes()
    theirs, ours = load_file(TINY / "model.safetensors"), load_file(tmp_path / "a" / "model.safetensors")
    assert {name: one.shape for name, one in theirs.items()} == {
        name: one.shape for name, one in ours.items()
    }
