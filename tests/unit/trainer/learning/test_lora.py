"""Adapters: what is trained, what is published, and that both are the base with B A added."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from farfield.trajectory.v1.trajectory_pb2 import Trajectory
from farfield_kernel.errors import DataLoss, FailedPrecondition, InvalidArgument
from farfield_kernel.weights import MANIFEST, seal, verify
from farfield_model import adapter_files, lora
from farfield_model.images import ImageFile
from farfield_model.loading import load_module
from farfield_trainer.learning.algorithm_config import LearnerConfig
from farfield_trainer.learning.learner import Learner
from farfield_trainer.learning.sft import SupervisedSample

PROMPT, SAID = [3, 5, 1, 4], [8, 9, 1]
TALK = SupervisedSample([("user", "a b"), ("assistant", "c d")])
LORA = {"rank": 3, "alpha": 6}


def learner_of(base: Path, **settings: object) -> Learner:
    fast = {"optimizer": {"learning_rate": 1e-2}, "lora": LORA}
    return Learner(LearnerConfig.model_validate(fast | settings), base, seed=0)


def logits(module: torch.nn.Module) -> torch.Tensor:
    with torch.no_grad():
        return module(torch.tensor([[*PROMPT, *SAID]])).logits[0]


@pytest.fixture
def episodes(make_episode: Callable[..., Trajectory]) -> list[Trajectory]:
    return [
        make_episode((PROMPT, [6 + place, 7, 1], float(place % 2)), group=str(place // 2))
        for place in range(4)
    ]


def test_a_gradient_is_that_of_the_whole_matrix_through_the_adapter(checkpoint: Path) -> None:
    """dL/dA = s Bᵀ dL/dW and dL/dB = s dL/dW Aᵀ, with dL/dW from a model whose weights are W + s B A."""
    torch.manual_seed(1)
    module, shape = load_module(checkpoint), lora.Shape(2, 6, ("q_proj", "down_proj"))
    lora.attach(module, shape)
    lora.start(module, 5)
    for layer in lora.layers(module).values():
        torch.nn.init.normal_(layer.lora_B, std=0.1)
    merged = load_module(checkpoint)
    with torch.no_grad():
        for name, layer in lora.layers(module).items():
            merged.get_submodule(name).weight += 3 * layer.lora_B @ layer.lora_A
    ids = torch.tensor([[*PROMPT, *SAID]])
    losses = [model(ids, labels=ids).loss for model in (module, merged)]
    assert losses[0].item() == pytest.approx(losses[1].item(), abs=1e-6)
    for loss in losses:
        loss.backward()
    for name, layer in lora.layers(module).items():
        whole = merged.get_submodule(name).weight.grad
        expected = 3 * layer.lora_B.detach().T @ whole, 3 * whole @ layer.lora_A.detach().T
        for mine, theirs in zip((layer.lora_A.grad, layer.lora_B.grad), expected, strict=True):
            torch.testing.assert_close(mine, theirs, atol=1e-6, rtol=1e-4)
        assert layer.weight.grad is None


def test_only_the_adapter_is_trained_and_kept(
    checkpoint: Path, episodes: list[Trajectory], tmp_path: Path
) -> None:
    learner = learner_of(checkpoint)
    learner.update(episodes)
    learner.fit([TALK])
    learner.save(tmp_path)
    kept = load_file(tmp_path / "learner.safetensors")
    parts = {key.rpartition(".")[2].partition("/")[0] for key in kept}
    assert parts == {"lora_A", "lora_B"}
    assert sum(key.startswith("weights:") for key in kept) == 2 * 7 * 2  # layers, kinds of matrices, A and B
    base = load_module(checkpoint).state_dict()
    for name, value in learner._policy.model.state_dict().items():
        assert name not in base or torch.equal(value, base[name])


def test_a_published_adapter_is_the_policy(checkpoint: Path, tmp_path: Path) -> None:
    learner = learner_of(checkpoint)
    learner.save_pretrained(tmp_path / "0")
    assert torch.equal(logits(load_module(tmp_path / "0")), logits(load_module(checkpoint)))
    for _ in range(5):
        learner.fit([TALK])
    learner.save_pretrained(tmp_path / "5")
    seal(tmp_path / "5", "run", 5)
    verify(tmp_path / "5")
    manifest = json.loads((tmp_path / "5" / MANIFEST).read_text())
    assert manifest["base"] == learner._publication.base_digest
    assert (tmp_path / "5" / "adapter_model.safetensors").stat().st_size < 20_000
    trained = load_module(tmp_path / "5")
    learner_of(tmp_path / "5", lora=None)  # a base like any other
    assert (logits(trained) - logits(load_module(checkpoint))).abs().max() > 0.1
    beside = load_module(checkpoint)
    adapter_files.put_beside(beside, tmp_path / "5")
    torch.testing.assert_close(logits(beside), logits(trained), atol=1e-5, rtol=1e-5)
    with lora.switched_off(beside):
        assert torch.equal(logits(beside), logits(load_module(checkpoint)))


def test_what_is_published_merged_is_what_the_adapter_is(checkpoint: Path, tmp_path: Path) -> None:
    learner = learner_of(checkpoint, lora={**LORA, "publish": "merged"})
    for _ in range(3):
        learner.fit([TALK])
    learner.save_pretrained(tmp_path)
    assert not (tmp_path / "adapter_config.json").exists()
    said = learner.fit([TALK])["loss"]
    merged = learner_of(tmp_path, lora=None).fit([TALK])["loss"]
    assert merged == pytest.approx(said, abs=1e-5)


def test_the_reference_is_the_base_without_a_second_copy(
    checkpoint: Path, episodes: list[Trajectory]
) -> None:
    for placement in ("loss", "reward"):
        kl = {"coefficient": 0.1, "placement": placement}
        learner = learner_of(checkpoint, kl=kl)
        assert learner._reference is not None
        assert learner._reference._policy is learner._policy
        figures = [learner.update(episodes) for _ in range(3)]
        assert figures[0]["kl"] == pytest.approx(0, abs=1e-9)
        assert figures[2]["kl"] > 1e-6


def test_a_tower_that_sees_is_left_as_it_is(
    vision_checkpoint: Path, make_png: Callable[..., bytes], tmp_path: Path
) -> None:
    learner = learner_of(vision_checkpoint)
    picture = ImageFile.of(make_png(1))
    talk = [SupervisedSample([("user", (picture, "a b")), ("assistant", "c")])]
    losses = [learner.fit(talk)["loss"] for _ in range(6)]
    assert losses[-1] < 0.9 * losses[0]
    learner.save_pretrained(tmp_path)
    names = load_file(tmp_path / "adapter_model.safetensors")
    assert names
    assert not [name for name in names if "vision" in name or "lm_head" in name]
    assert learner_of(tmp_path, lora=None).fit(talk)["loss"] == pytest.approx(
        learner.fit(talk)["loss"], abs=1e-5
    )


def test_a_run_of_an_adapter_is_resumed_bit_for_bit(
    checkpoint: Path, episodes: list[Trajectory], tmp_path: Path
) -> None:
    def weights(learner: Learner) -> dict[str, torch.Tensor]:
        return learner.state()["weights"]

    straight = learner_of(checkpoint)
    straight.update(episodes)
    straight.save(tmp_path)
    resumed = learner_of(checkpoint)
    resumed.load(tmp_path)
    for one in (straight, resumed):
        one.update(episodes)
    assert all(torch.equal(weights(straight)[name], value) for name, value in weights(resumed).items())


def test_a_state_of_another_base_or_of_all_weights_is_refused(
    checkpoint: Path, tmp_path: Path, make_checkpoint: Callable[..., Path]
) -> None:
    learner_of(checkpoint).save(tmp_path)
    with pytest.raises(DataLoss, match="put back the base"):
        learner_of(make_checkpoint(seed=4)).load(tmp_path)
    with pytest.raises(DataLoss, match="all weights"):
        learner_of(checkpoint, lora=None).load(tmp_path)


def test_a_module_that_is_not_there_is_refused_with_those_that_are(checkpoint: Path) -> None:
    with pytest.raises(InvalidArgument, match="no linear layer 'query'; it has down_proj, gate_proj, k_proj"):
        learner_of(checkpoint, lora={"target_modules": ["q_proj", "query"]})


def test_an_adapter_over_a_model_that_is_gone_is_refused(
    tmp_path: Path, make_checkpoint: Callable[..., Path]
) -> None:
    base = make_checkpoint(seed=7)
    learner_of(base).save_pretrained(tmp_path / "adapter")
    moved = base.rename(base.with_name("moved"))
    with pytest.raises(FailedPrecondition, match="put the model that the run started from there"):
        load_module(tmp_path / "adapter")
    load_module(tmp_path / "adapter", base=moved)


def test_adapters_of_another_mathematics_are_refused(checkpoint: Path, tmp_path: Path) -> None:
    learner_of(checkpoint).save_pretrained(tmp_path)
    config = json.loads((tmp_path / "adapter_config.json").read_text())
    (tmp_path / "adapter_config.json").write_text(json.dumps(config | {"use_dora": True}))
    with pytest.raises(FailedPrecondition, match="use_dora"):
        load_module(tmp_path)


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_peft_reads_what_is_published(checkpoint: Path, tmp_path: Path) -> None:
    peft = pytest.importorskip("peft", reason="an independent reader: pip install peft")
    learner = learner_of(checkpoint)
    for _ in range(3):
        learner.fit([TALK])
    learner.save_pretrained(tmp_path)
    theirs = peft.PeftModel.from_pretrained(load_module(checkpoint), tmp_path).eval()
    torch.testing.assert_close(logits(theirs), logits(load_module(tmp_path)), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("kind", "dtype"), [("auto", "float32"), ("base", "bfloat16")])
def test_versions_have_the_type_that_they_are_to_have(
    make_checkpoint: Callable[..., Path], tmp_path: Path, kind: str, dtype: str
) -> None:
    base = make_checkpoint(dtype="bfloat16")
    learner = learner_of(base, lora=None, publish_dtype=kind)
    learner.fit([TALK])
    learner.save_pretrained(tmp_path)
    stored = load_file(tmp_path / "model.safetensors")
    assert {str(item.dtype) for item in stored.values()} == {f"torch.{dtype}"}
    assert json.loads((tmp_path / "config.json").read_text())["dtype"] == dtype
    trained = learner.state()["weights"]
    for name, item in stored.items():
        assert torch.equal(item, trained[f"model.{name}"].to(item.dtype))


def test_bf16_trains_and_publishes_as_its_base(
    make_checkpoint: Callable[..., Path], episodes: list[Trajectory], tmp_path: Path
) -> None:
    learner = learner_of(make_checkpoint(dtype="bfloat16"), lora=None, precision="bf16")
    losses = [learner.fit([TALK])["loss"] for _ in range(10)]
    assert losses[-1] < 0.5 * losses[0]
    assert learner.update(episodes)["grad_norm"] > 0
    learner.save_pretrained(tmp_path)
    assert load_file(tmp_path / "model.safetensors")["model.norm.weight"].dtype == torch.bfloat16
