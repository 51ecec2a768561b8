"""A checkpoint with fresh weights: `python -m farfield_model.fresh FROM TO --seed N`.

TO gets the architecture, the tokenizer and every other file of FROM, and weights drawn from the seed as the
architecture draws them: the same ones each time, with one build of torch. It is whole or not there.
"""

import argparse
import os
import shutil
from pathlib import Path

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForImageTextToText

from farfield_model.loading import sees_images

_WEIGHTS = ("*.safetensors", "*.safetensors.index.json", "manifest.json")


def draw(source: Path, target: Path, seed: int) -> None:
    """Writes `target`; one that is there already is left alone."""
    if target.exists():
        return
    aside = target.with_name(f".{target.name}.{os.getpid()}")
    shutil.copytree(source, aside, ignore=shutil.ignore_patterns(*_WEIGHTS))
    torch.manual_seed(seed)
    kind = AutoModelForImageTextToText if sees_images(source) else AutoModelForCausalLM
    kind.from_config(AutoConfig.from_pretrained(source), dtype=torch.float32).save_pretrained(aside)
    try:
        aside.rename(target)
    except OSError:  # another process has made it meanwhile, with the same weights
        shutil.rmtree(aside)
        if not target.exists():
            raise


def main() -> None:
    parser = argparse.ArgumentParser(prog="farfield_model.fresh", description=__doc__)
    parser.add_argument("source", type=Path, metavar="FROM")
    parser.add_argument("target", type=Path, metavar="TO")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    draw(given.source, given.target, given.seed)


if __name__ == "__main__":
    main()
