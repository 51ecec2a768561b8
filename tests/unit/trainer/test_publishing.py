import json
from pathlib import Path

import pytest

from farfield_kernel.errors import DataLoss, Exhausted, NotFound
from farfield_trainer.publishing import Publisher


def model(text: str):
    return lambda folder: (folder / "model.bin").write_text(text) and None


@pytest.fixture
def publisher(tmp_path: Path) -> Publisher:
    return Publisher(tmp_path / "weights", "r", keep=2)


def test_a_version_is_sealed_with_its_parent(publisher: Publisher) -> None:
    weights = publisher.publish(3, 2, model("three"))
    assert (weights.run_id, weights.version) == ("r", 3)
    assert publisher.find(3) == weights
    assert json.loads((Path(weights.path) / "manifest.json").read_text())["parent"] == 2


def test_the_same_weights_again_change_nothing(publisher: Publisher) -> None:
    first = publisher.publish(0, None, model("x"))
    inode = (Path(first.path) / "model.bin").stat().st_ino
    assert publisher.publish(0, None, model("x")) == first
    assert (Path(first.path) / "model.bin").stat().st_ino == inode


def test_other_weights_replace_the_version(publisher: Publisher) -> None:
    first = publisher.publish(0, None, model("x"))
    second = publisher.publish(0, None, model("y"))
    assert first.digest != second.digest
    assert publisher.find(0) == second


def test_old_versions_go_unless_they_are_needed(publisher: Publisher, tmp_path: Path) -> None:
    for version in range(5):
        publisher.publish(version, None, model("x"))
    publisher.prune({1})
    assert sorted(item.name for item in (tmp_path / "weights").iterdir()) == ["000001", "000003", "000004"]


def test_torn_and_missing(publisher: Publisher) -> None:
    weights = publisher.publish(0, None, model("x"))
    (Path(weights.path) / "model.bin").write_text("torn")
    with pytest.raises(DataLoss, match=r"model\.bin"):
        publisher.find(0)
    with pytest.raises(NotFound):
        publisher.find(7)


def test_a_full_disk(publisher: Publisher) -> None:
    with pytest.raises(Exhausted, match=r"version 0 was not published.*No space left"):
        publisher.publish(0, None, lambda _: Path("/dev/full").write_text("x") and None)
