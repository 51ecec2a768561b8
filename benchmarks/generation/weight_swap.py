"""What a change of weights costs the embedded engine: the time to load, and how long decoding stands still.

    python -m benchmarks.generation.weight_swap [--sizes 1M 10M SmolLM2-135M] [--rows 16] [--swaps 8]

A full batch decodes; a version is loaded beside it and swapped in between two steps, over and over, as
`LoadWeights` does. `stall` is what the engine says of the swap itself; `gap` is the longest time between two
tokens of one row while a version was loaded and swapped, and `gap_without` the longest in a second without:
where cores are taken, loading slows decoding down before the swap does.
"""

import argparse
import asyncio
import contextlib
import itertools
import json
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from benchmarks.alternating import circumstances, spread
from benchmarks.generation.requests import equal
from benchmarks.generation.ways import CONTEXT, Engine
from benchmarks.models import SIZES, build
from benchmarks.places import RESULTS
from farfield_policy.engine import Prompt, Version


class Gaps:
    """The longest time between two tokens since it was last asked for."""

    def __init__(self) -> None:
        self.last = time.perf_counter()
        self.longest = 0.0

    def token(self, _id: int, _logprob: float) -> None:
        now = time.perf_counter()
        self.last, self.longest = now, max(self.longest, now - self.last)

    def take(self) -> float:
        longest, self.longest, self.last = self.longest, 0.0, time.perf_counter()
        return longest


@contextlib.asynccontextmanager
async def busy(engine: Engine, rows: int, gaps: Gaps) -> AsyncIterator[None]:
    """All rows decode, over and over; one of them tells when."""

    async def row(prompt: Prompt) -> None:
        long = CONTEXT - len(prompt.prefix_ids)
        for seed in itertools.count():
            sampling = replace(prompt.sampling, max_new_tokens=long)
            await engine.engine.submit([replace(prompt, sampling=sampling, seed=seed)])[0]

    prompts = equal(rows).prompts
    prompts[0] = replace(prompts[0], on_token=gaps.token)
    running = [asyncio.create_task(row(prompt)) for prompt in prompts]
    yield
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)


async def measure(size: str, rows: int, swaps: int) -> dict[str, dict[str, float]]:
    """Milliseconds."""
    module = build(size)
    found: dict[str, list[float]] = {"load": [], "stall": [], "gap": [], "gap_without": []}
    with tempfile.TemporaryDirectory() as folder:
        module.save_pretrained(folder)
        engine, gaps = Engine(module, rows), Gaps()
        async with busy(engine, rows, gaps):
            for version in range(1, swaps + 2):
                gaps.take()
                await asyncio.sleep(1)
                without = gaps.take()
                swapped = await engine.engine.load_weights(folder, Version("swaps", version))
                await asyncio.sleep(0.05)
                times = {"load": swapped.load_seconds, "stall": swapped.stall_seconds}
                times |= {"gap": gaps.take(), "gap_without": without}
                for name, seconds in times.items():
                    found[name].append(1000 * seconds)
        await engine.close()
    return {name: spread(values[1:]) for name, values in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--sizes", nargs="+", default=["1M", "10M"], choices=SIZES)
    parser.add_argument("--rows", type=int, default=16)
    parser.add_argument("--swaps", type=int, default=8)
    parser.add_argument("--output", type=Path, default=RESULTS / "weight_swap.json")
    options = parser.parse_args()
    torch.set_num_threads(1)
    record: dict[str, Any] = {"unit": "ms", "rows": options.rows} | circumstances()
    for size in options.sizes:
        record[size] = asyncio.run(measure(size, options.rows, options.swaps))
        print(f"{size:>12}  " + "   ".join(f"{name} {one}" for name, one in record[size].items()), flush=True)
    options.output.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
