import pytest
import torch

from farfield_kernel.errors import FailedPrecondition, InvalidArgument
from farfield_trainer.parallel.config import ParallelConfig, World, world_of
from farfield_trainer.parallel.process import device_of

SECOND = {"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1"}


def test_torchrun_says_where_a_process_stands() -> None:
    assert World.of({}) == World(0, 1, 0)
    assert World.of(SECOND) == World(1, 2, 1)
    with pytest.raises(InvalidArgument, match=r"RANK, LOCAL_RANK .* torchrun"):
        World.of({"WORLD_SIZE": "2"})


def test_fsdp2_of_one_process_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        world_of({}, ParallelConfig(kind="fsdp2"), "farfield-trainer")
    said = capsys.readouterr().err
    assert "parallel.kind is fsdp2" in said
    assert "torchrun" in said
    assert world_of(SECOND, ParallelConfig(kind="fsdp2"), "farfield-trainer").size == 2


def test_each_rank_has_a_gpu_of_its_own() -> None:
    assert device_of("cpu", World(1, 2, 1)) == torch.device("cpu")
    with pytest.raises(FailedPrecondition, match="write device: cuda"):
        device_of("cuda:0", World(1, 2, 1))
    present = torch.cuda.device_count()
    with pytest.raises(
        FailedPrecondition, match=f"LOCAL_RANK {present} has no GPU: this machine shows {present}"
    ):
        device_of("cuda", World(present, present + 1, present))
