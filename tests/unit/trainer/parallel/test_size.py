from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from farfield_kernel.errors import NotFound
from farfield_trainer.parallel import size
from farfield_trainer.parallel.size import kind_for, parameters


def test_auto_shards_what_is_large(checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert kind_for("auto", checkpoint) == "ddp"
    assert kind_for("fsdp2", checkpoint) == "fsdp2"
    monkeypatch.setattr(size, "SHARDED_FROM", parameters(checkpoint))
    assert kind_for("auto", checkpoint) == "fsdp2"
    assert kind_for("ddp", checkpoint) == "ddp"
    with pytest.raises(NotFound, match="safetensors"):
        kind_for("auto", tmp_path)


def test_parameters_are_counted_over_all_files(tmp_path: Path) -> None:
    save_file({"a": torch.zeros(3, 4), "b": torch.zeros(())}, tmp_path / "1.safetensors")
    save_file({"c": torch.zeros(5)}, tmp_path / "2.safetensors", {"format": "pt"})
    assert parameters(tmp_path) == 18
