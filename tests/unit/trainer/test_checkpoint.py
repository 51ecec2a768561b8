import errno
import os
from pathlib import Path

import pytest
from safetensors import SafetensorError

from farfield_kernel.errors import DataLoss, Exhausted, FailedPrecondition
from farfield_trainer.checkpoint import STATE, Checkpoints


def save(text: str):
    return lambda folder: (folder / "learner").write_text(text) and None


def disk_full(folder: Path) -> None:
    (folder / "half").write_text("half")
    Path("/dev/full").write_text("no space for this")


@pytest.fixture
def checkpoints(tmp_path: Path) -> Checkpoints:
    return Checkpoints(tmp_path / "checkpoints", "r", keep=2)


def tear(folder: Path, name: str = "learner") -> None:
    (folder / name).write_text("torn")


def test_the_newest_is_found(checkpoints: Checkpoints) -> None:
    assert checkpoints.newest() is None
    checkpoints.write(2, save("two"), {"n": 2})
    checkpoints.write(4, save("four"), {"n": 4})
    found = checkpoints.newest()
    assert found
    assert (found.update, found.state, found.skipped) == (4, {"n": 4}, ())
    assert (found.folder / "learner").read_text() == "four"


def test_a_second_one_of_an_update_comes_after_the_first(checkpoints: Checkpoints) -> None:
    first = checkpoints.write(2, save("a"), {"n": 1})
    second = checkpoints.write(2, save("b"), {"n": 2})
    assert first != second
    assert first.exists()
    found = checkpoints.newest()
    assert found
    assert found.state == {"n": 2}


def test_only_the_last_are_kept(checkpoints: Checkpoints) -> None:
    folders = [checkpoints.write(update, save("x"), {}) for update in (9, 10, 11)]
    assert [folder.exists() for folder in folders] == [False, True, True]


@pytest.mark.parametrize("name", ["learner", STATE, "manifest.json"])
def test_a_torn_one_is_said_and_the_one_before_used(checkpoints: Checkpoints, name: str) -> None:
    checkpoints.write(2, save("two"), {"n": 2})
    torn = checkpoints.write(4, save("four"), {"n": 4})
    tear(torn, name)
    found = checkpoints.newest()
    assert found
    assert found.update == 2
    assert len(found.skipped) == 1
    assert "000004.0" in found.skipped[0]
    again = checkpoints.write(4, save("four"), {"n": 4})
    assert again.name == "000004.1"
    assert (found.folder).exists(), "a torn one does not count among those that are kept"


def test_none_intact_is_an_error_every_time(checkpoints: Checkpoints) -> None:
    tear(checkpoints.write(2, save("two"), {}))
    for _ in range(2):
        with pytest.raises(DataLoss, match="every checkpoint of the run is torn"):
            checkpoints.newest()


def test_a_full_disk_leaves_the_old_one(checkpoints: Checkpoints, tmp_path: Path) -> None:
    old = checkpoints.write(2, save("two"), {"n": 2})
    with pytest.raises(Exhausted, match=r"No space left on device.*000002.0 is intact"):
        checkpoints.write(4, disk_full, {})
    found = checkpoints.newest()
    assert found
    assert (found.folder, found.state) == (old, {"n": 2})
    assert sorted(item.name for item in (tmp_path / "checkpoints").iterdir()) == ["000002.0"]


def test_another_failure_of_the_disk_is_not_called_a_full_one(checkpoints: Checkpoints) -> None:
    def unwritable(folder: Path) -> None:
        (folder / "gone" / "learner").write_text("x")

    with pytest.raises(FailedPrecondition, match="No such file or directory") as caught:
        checkpoints.write(2, unwritable, {})
    assert "space" not in str(caught.value)
    assert checkpoints.newest() is None


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.EDQUOT, os.strerror(errno.EDQUOT)),
        SafetensorError("I/O error: No space left on device (os error 28)"),
        OSError("rank 1: [Errno 28] No space left on device"),
    ],
)
def test_a_full_disk_in_other_words(checkpoints: Checkpoints, error: Exception) -> None:
    def full(folder: Path) -> None:
        raise error

    with pytest.raises(Exhausted, match="free space"):
        checkpoints.write(2, full, {})


def test_a_full_disk_at_the_first_checkpoint(checkpoints: Checkpoints) -> None:
    with pytest.raises(Exhausted, match="starts over"):
        checkpoints.write(2, disk_full, {})
    assert checkpoints.newest() is None


def test_a_folder_left_half_written_by_a_kill_is_no_checkpoint(
    checkpoints: Checkpoints, tmp_path: Path
) -> None:
    (tmp_path / "checkpoints" / "000004.0.partial").mkdir(parents=True)
    assert checkpoints.newest() is None
    checkpoints.write(2, save("two"), {})
    found = checkpoints.newest()
    assert found
    assert found.update == 2
