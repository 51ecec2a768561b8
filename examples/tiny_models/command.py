"""The command line of scripts that pre-train a tiny model."""

import argparse
from pathlib import Path

import torch


def arguments(description: str | None, steps: int | None = None) -> argparse.Namespace:
    """`output` (a folder), `seed`, and `steps` where so many are usual; torch gets its threads."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, help="folder of the checkpoint")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    if steps is not None:
        parser.add_argument("--steps", type=int, default=steps, help=f"of pre-training; {steps} unless given")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    return given
