"""docs/sizing.md: its shapes are the model's, its sums add up, its values are the chart's."""

import re
import sys
from collections import Counter
from pathlib import Path

import pytest
import torch
from transformers import MllamaConfig, MllamaForConditionalGeneration
from transformers.models.mllama.configuration_mllama import MllamaTextConfig, MllamaVisionConfig

sys.path.insert(0, str(Path(__file__).parent))

from configurations import accepted
from rendering import ROOT, template

PAGE = (ROOT / "docs" / "sizing.md").read_text()
PARTS = {
    "vision_model": "vision tower",
    "multi_modal_projector": "projector",
    "lm_head": "output head",
    "embed_tokens": "embedding",
}
SELF, CROSS = "32 layers of self attention", "8 layers of cross attention"
TILE = (448 // 14) ** 2 + 1
N = 10_642_941_475


def rows(heading: str) -> dict[str, list[str]]:
    """Tables of a section, by the first cell of their rows."""
    section = PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    cells = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("|")]
    return {first.strip(" *"): [cell.strip(" *") for cell in rest] for first, *rest in cells}


def counted() -> Counter[str]:
    """Parameters of the model by part, from its published configuration."""
    config = MllamaConfig(vision_config=MllamaVisionConfig(), text_config=MllamaTextConfig())
    with torch.device("meta"):
        model = MllamaForConditionalGeneration(config)
    crossing = [f"layers.{number}." for number in config.text_config.cross_attention_layers]
    found: Counter[str] = Counter()
    for name, parameter in model.named_parameters():
        found[part_of(name, crossing)] += parameter.numel()
    return found


def part_of(name: str, crossing: list[str]) -> str:
    """The last norm counts as one of self attention."""
    if "language_model.layers" in name:
        return CROSS if any(layer in name for layer in crossing) else SELF
    return next((part for mark, part in PARTS.items() if mark in name), SELF)


def test_parameters_are_the_model_s() -> None:
    told = {part: int(cells[0].replace(",", "")) for part, cells in rows("Shape").items() if "," in cells[0]}
    assert told.pop("all") == N
    assert told == dict(counted())


@pytest.mark.parametrize(("column", "ranks"), [(0, 8), (1, 6), (2, 4)])
def test_memory_of_a_rank_adds_up(column: int, ranks: int) -> None:
    numbers = {part: cells[column] for part, cells in rows("A GPU that trains").items()}
    table = {part: float(number) for part, number in numbers.items() if "." in number}
    left = table.pop("left for activations")
    assert table["weights, gradients, moments: 16 N / ranks"] == round(16e-9 * N / ranks, 1)
    assert left == pytest.approx(80 - sum(table.values()), abs=0.11)


def test_what_is_gathered_is_all_but_the_layers() -> None:
    sizes = counted()
    gathered = sum(sizes[part] for part in PARTS.values())
    table = rows("A GPU that trains")
    in_both = table["gathered for the pass: float32 and its bfloat16 copy"][0]
    assert float(in_both) == round(6e-9 * gathered, 1)
    assert float(table["its gradient before it is shared"][0]) == round(4e-9 * gathered, 1)


def test_conversations_that_fit_are_counted_rightly() -> None:
    left = 1e9 * float(rows("A GPU that serves")["left for keys and values"][0])
    text, vision = 32 * 2 * 8 * 128 * 2, 8 * 2 * 8 * 128 * 2
    fit = [int(left // (1000 * text + tiles * TILE * vision)) for tiles in (1, 4)]
    told = re.search(r"so (\d+)\nrun at once; with four tiles 265 MB, and (\d+)", PAGE)
    assert told
    assert [int(number) for number in told.groups()] == fit


def test_the_values_are_rendered_and_read(helm: str, tmp_path: Path) -> None:
    (text,) = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.M | re.S)
    file = tmp_path / "values.yaml"
    file.write_text(text)
    assert accepted(template(helm, file))["rl-trainer"].device == "cuda"
