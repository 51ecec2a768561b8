"""Tokens per CPU-second: the embedded engine beside `generate()` of transformers and its continuous batching.

    python -m benchmarks.generation.speed [--sizes 1M 10M SmolLM2-135M] [--batches 1 16 64] [--loads equal …]
    python -m benchmarks.generation.speed --device cuda --dtype bfloat16 --sizes SmolLM2-135M 1B

All draw from the same weights in float32 on one thread, the same prompts, temperature 1 without filters, in
turn (A B A B …); the first round warms up. `generation_requests.py` says what is asked for. A rate counts the
tokens that were asked for: what `generate()` draws beyond them, until the longest of a batch is done, is
its loss. The engine also gives both logprobs of each token. Requests that arrive over time have a rate by the
clock too, which a loaded machine blurs.

On a GPU (written for it, not run on one yet) rates are by the clock, with the bytes of weights that the steps
of a full batch read per second as a share of what a plain copy moves.
"""

import argparse
import asyncio
import json
import time
from pathlib import Path
from typing import Any

import torch
from transformers import LlamaForCausalLM

from benchmarks.alternating import circumstances, ratios, spread
from benchmarks.generation.requests import LOADS, Load
from benchmarks.generation.ways import WAYS, Way, play
from benchmarks.models import SIZES, build
from benchmarks.peak import copied_bytes, matmul_flops, synchronize
from benchmarks.places import RESULTS

Costs = dict[str, list[dict[str, float]]]


async def once(way: Way, load: Load, device: str) -> dict[str, float]:
    """Seconds of a whole load."""
    wall, cpu = time.perf_counter(), time.process_time()
    await play(way, load)
    synchronize(device)
    return {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall}


async def alternated(module: LlamaForCausalLM, rows: int, load: Load, options: argparse.Namespace) -> Costs:
    ways = {name: WAYS[name](module, rows) for name in options.ways}
    costs: Costs = {name: [] for name in ways}
    for _ in range(options.repeats + 1):
        for name, way in ways.items():
            costs[name].append(await once(way, load, options.device))
    for way in ways.values():
        await way.close()
    return {name: rounds[1:] for name, rounds in costs.items()}


def line(load: Load, costs: Costs, clock: str) -> dict[str, Any]:
    seconds = {name: [cost[clock] for cost in rounds] for name, rounds in costs.items()}
    found: dict[str, Any] = {}
    for name, taken in seconds.items():
        walls = spread([load.tokens / cost["wall"] for cost in costs[name]], 1)
        found[name] = {f"tokens_per_{clock}_second": spread([load.tokens / one for one in taken], 1)}
        found[name] |= {"tokens_per_second": walls} if load.arrivals else {}
        if name != "engine" and "engine" in seconds:
            found[name]["engine_over_this"] = ratios(taken, seconds["engine"])
    return found


def shown(found: dict[str, Any], clock: str) -> str:
    parts = []
    for name, one in found.items():
        ratio = one.get("engine_over_this")
        beside = f" ({ratio['median']:.2f} ×, {ratio['least']}–{ratio['most']})" if ratio else ""
        parts.append(f"{name} {one[f'tokens_per_{clock}_second']['median']:.0f}{beside}")
    return "   ".join(parts)


def device_peak(device: str, dtype: torch.dtype) -> dict[str, float]:
    flops, moved = matmul_flops(device, dtype), copied_bytes(device)
    return {"matmul_tflops": round(flops / 1e12, 1), "copy_gb_per_second": round(moved / 1e9, 1)}


def shares(module: LlamaForCausalLM, rate: float, rows: int, peak: dict[str, float]) -> dict[str, float]:
    """Of the device's peaks. A step of `rows` tokens reads all weights once, and keys and values."""
    parameters = sum(item.numel() for item in module.parameters())
    held = sum(item.numel() * item.element_size() for item in module.parameters())
    return {
        "of_matmul": round(2 * parameters * rate / (peak["matmul_tflops"] * 1e12), 4),
        "of_bandwidth_for_weights": round(held * rate / rows / (peak["copy_gb_per_second"] * 1e9), 4),
    }


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--sizes", nargs="+", default=["1M", "10M"], choices=SIZES)
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 16, 64])
    parser.add_argument("--loads", nargs="+", default=list(LOADS), choices=list(LOADS))
    parser.add_argument("--ways", nargs="+", default=list(WAYS), choices=list(WAYS))
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16"])
    parser.add_argument("--output", type=Path, default=RESULTS / "generation.json")
    return parser.parse_args()


def main() -> None:
    options = arguments()
    torch.set_num_threads(1)
    clock = "cpu" if options.device == "cpu" else "wall"
    dtype = getattr(torch, options.dtype)
    record: dict[str, Any] = circumstances() | {"device": options.device, "dtype": options.dtype}
    peak = {} if options.device == "cpu" else device_peak(options.device, dtype)
    lines = []
    print(f"tokens per second ({clock}), and how much faster the engine is")
    for size in options.sizes:
        module = build(size, options.device, dtype)
        for name in options.loads:
            for rows in options.batches:
                load = LOADS[name](rows)
                found = line(load, asyncio.run(alternated(module, rows, load, options)), clock)
                lines.append({"size": size, "load": name, "batch": rows} | found)
                print(f"{size:>12} {name:<9}{rows:>4}  {shown(found, clock)}", flush=True)
                if peak and "engine" in found:
                    rate = found["engine"]["tokens_per_wall_second"]["median"]
                    lines[-1]["shares"] = shares(module, rate, rows, peak)
    record |= {"load_after": circumstances()["load"], "peak": peak, "lines": lines}
    options.output.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
