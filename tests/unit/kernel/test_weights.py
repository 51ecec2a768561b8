"""Weight folders: sealed once, checked whenever they are read."""

import json
from pathlib import Path

import pytest

from farfield_kernel import weights
from farfield_kernel.errors import DataLoss, NotFound
from farfield_kernel.weights import MANIFEST, seal, verify, write_durably


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "000003"
    (made / "tokenizer").mkdir(parents=True)
    (made / "model.safetensors").write_bytes(bytes(1000))
    (made / "tokenizer" / "vocab.json").write_text("{}")
    return made


def test_a_sealed_folder_verifies_as_it_was_sealed(folder: Path) -> None:
    sealed = seal(folder, "run", 3, parent=2)
    assert verify(folder) == sealed
    assert (sealed.run_id, sealed.version, sealed.path) == ("run", 3, str(folder))
    record = json.loads((folder / MANIFEST).read_text())
    assert record["parent"] == 2
    assert set(record["files"]) == {"model.safetensors", "tokenizer/vocab.json"}


def test_sealing_again_changes_nothing(folder: Path) -> None:
    assert seal(folder, "run", 3) == seal(folder, "run", 3)
    assert [path.name for path in folder.iterdir() if path.name.startswith(".")] == []


def test_other_contents_have_another_digest(folder: Path) -> None:
    before = seal(folder, "run", 3)
    (folder / "model.safetensors").write_bytes(bytes(999) + b"1")
    assert seal(folder, "run", 3).digest != before.digest


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer/vocab.json"])
def test_a_torn_or_missing_file_is_named(folder: Path, name: str) -> None:
    seal(folder, "run", 3)
    (folder / name).write_bytes(b"x")
    with pytest.raises(DataLoss, match=name):
        verify(folder)
    (folder / name).unlink()
    with pytest.raises(DataLoss, match=f"{name} is missing"):
        verify(folder)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"run_id": "r"}', '{"run_id": "r", "version": "x", "files": {}}', "null"]
)
def test_a_torn_manifest_is_data_loss(folder: Path, text: str) -> None:
    (folder / MANIFEST).write_text(text)
    with pytest.raises(DataLoss, match="publish the version again"):
        verify(folder)


def test_what_cannot_be_read_is_data_loss(folder: Path) -> None:
    (folder / MANIFEST).mkdir()
    with pytest.raises(DataLoss, match="cannot be read"):
        verify(folder)


def test_an_unsealed_folder_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="holds no sealed weights"):
        verify(tmp_path)


def test_a_name_that_no_file_can_have_is_not_found() -> None:
    with pytest.raises(NotFound, match="holds no sealed weights"):
        verify(Path("9" * 300))


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "state"
    write_durably(path, b"old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(weights.os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_durably(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_files_that_begin_with_a_dot_are_part_of_the_version(folder: Path) -> None:
    """Whatever is in the folder when it is sealed is what was published."""
    (folder / ".gitattributes").write_text("x")
    seal(folder, "run", 3)
    (folder / ".gitattributes").write_text("y")
    with pytest.raises(DataLoss, match="gitattributes"):
        verify(folder)
