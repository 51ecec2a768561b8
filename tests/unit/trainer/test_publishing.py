import json
from pathlib import Path

import pytest

from farfield_kernel.errors import DataLoss, Exhausted, NotFound
from farfield_kernel.weight_stores.folder import FolderStore
from farfield_kernel.weight_stores.opening import open_store
from farfield_kernel.weight_stores.remote import RemoteStore
from farfield_trainer.publishing import Publisher


def model(text: str):
    return lambda folder: (folder / "model.bin").write_text(text) and None


@pytest.fixture
def publisher(tmp_path: Path) -> Publisher:
    folder = tmp_path / "weights"
    return Publisher(FolderStore(folder), folder, "r", keep=2)


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


def test_versions_of_an_object_store_leave_nothing_in_the_runs_folder(tmp_path: Path) -> None:
    folder, bucket = tmp_path / "weights", tmp_path / "bucket"
    publisher = Publisher(open_store(bucket.as_uri(), "r", folder), folder, "r", keep=2)
    for version in range(3):
        weights = publisher.publish(version, None, model(f"{version}"))
    publisher.prune({0})
    assert weights.path == f"{bucket.as_uri()}/r/000002"
    assert publisher.find(2) == weights
    assert list(folder.iterdir()) == []
    assert sorted(item.name for item in (bucket / "r").iterdir()) == ["000000", "000001", "000002"]
    publisher.prune(())
    assert sorted(item.name for item in (bucket / "r").iterdir()) == ["000001", "000002"]


def test_what_cannot_be_pruned_does_not_end_the_run(tmp_path: Path, caplog) -> None:
    (tmp_path / "file").write_text("in the way")
    store = RemoteStore((tmp_path / "file").as_uri(), "r", patience_seconds=0)
    Publisher(store, tmp_path, "r", keep=2).prune(())
    assert "old versions are still there" in caplog.text
