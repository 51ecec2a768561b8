"""What one update costs: the learner beside TRL, a plain torch loop, and one sample at a time.

A 1.1M-parameter Llama, 256 episodes in groups of 8, one thread, float32; each way is a process of its own,
and they take turns (A B A B …). Two data sets: one turn of 32 + 32 tokens, and revision episodes of 1 to 5
turns and 20 to 200 tokens. `training_ways.py` and `training_trl.py` say what each way does; all that do the
same GRPO update have to find the same gradient, or nothing is reported. TRL runs where it is installed
(`python -m benchmarks.peers trl`); its release has no PPO trainer. Memory is the most that the process had
above what it had with the model loaded. Slow ways run once.

    python -m benchmarks.training.update [--rounds 3] [--data equal_32_32 …] [--ways farfield trl …]
    python -m benchmarks.training.update --device cuda --precision bf16 --size SmolLM2-135M

On a GPU (written for it, not run on one yet) look at tokens per second, and at the share of what the device
reaches in a plain matrix product: 6 operations per parameter and token.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from transformers import LlamaForCausalLM

from benchmarks.alternating import Way, circumstances, ratios, spread
from benchmarks.models import SIZES, build, checkpoint
from benchmarks.peak import matmul_flops
from benchmarks.peers import interpreter
from benchmarks.places import RESULTS
from benchmarks.training.data import DATA, Episode, Turn, write
from benchmarks.training.packing import packing
from benchmarks.training.ways import WAYS

TOLERANCE = 1.02  # bfloat16 rounds; in float32 they agree to a few parts in 10,000
PPO = ("farfield_paper", "paper")
Cost = dict[str, float]
SLOW = ("one_by_one", "turn_by_turn", "paper")


def sampled(folder: Path, played: Sequence[Episode], device: str) -> list[Episode]:
    """The episodes with the logprobs that the checkpoint gives their responses, as an engine would."""
    model = LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32).to(device)
    return [replace(one, turns=scored(model, one)) for one in played]


@torch.inference_mode()
def scored(model: LlamaForCausalLM, played: Episode) -> list[Turn]:
    ids = torch.tensor([played.merged().ids], device=model.device)
    logprobs = model(ids).logits[0, :-1].log_softmax(-1).gather(-1, ids[0, 1:, None])[:, 0].tolist()
    turns, at = [], 0
    for turn in played.turns:
        start = at + len(turn.new)
        at = start + len(turn.response)
        turns.append(replace(turn, logprobs=logprobs[start - 1 : at - 1]))
    return turns


def command(way: str, setup: Sequence[str | Path]) -> list[str | Path] | None:
    if way != "trl":
        return [sys.executable, "-m", "benchmarks.training.ways", way, *setup]
    python = interpreter("trl")
    return [python, "-m", "benchmarks.training.trl_side", *setup] if python else None


def compare(setup: Sequence[str | Path], names: Sequence[str], rounds: int) -> dict[str, list[Cost]]:
    """What each round cost each way. The first round of those that are not slow warms up, and is left out."""
    commands = {name: command(name, setup) for name in names}
    ways = {name: Way(parts) for name, parts in commands.items() if parts}
    costs: dict[str, list[Cost]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, way in ways.items():
            if number and name in SLOW:
                continue
            costs[name].append(way.round())
            print(f"  {name:<34}{costs[name][-1]['cpu_seconds']:>8.2f} CPU-s", file=sys.stderr, flush=True)
        if not number:
            check_same_gradient(costs)
    for way in ways.values():
        way.close()
    return {name: rounds[len(rounds) > 1 :] for name, rounds in costs.items()}


def check_same_gradient(costs: dict[str, list[Cost]]) -> None:
    norms = {name: rounds[0]["grad_norm"] for name, rounds in costs.items() if name not in PPO}
    if max(norms.values(), default=1) > TOLERANCE * min(norms.values(), default=1):
        raise SystemExit(f"these are not the same update: {norms}")


def report(played: Sequence[Episode], costs: dict[str, list[Cost]]) -> dict[str, Any]:
    tokens = sum(len(one.merged().ids) for one in played)
    cpu = {name: [cost["cpu_seconds"] for cost in rounds] for name, rounds in costs.items()}
    walls = {name: [cost["wall_seconds"] for cost in rounds] for name, rounds in costs.items()}
    found: dict[str, Any] = {"tokens": tokens, "turns": sum(len(one.turns) for one in played)}
    for name, seconds in cpu.items():
        own = "farfield_paper" if name in PPO else "farfield"
        found[name] = {
            "cpu_seconds": spread(seconds),
            "tokens_per_cpu_second": round(tokens / spread(seconds)["median"]),
            "tokens_per_second": round(tokens / spread(walls[name])["median"]),
            "peak_mib": round(max(cost["peak_mib"] for cost in costs[name]), 1),
        }
        if own in cpu and own != name:
            found[name][f"over_{own}"] = ratios(seconds, cpu[own])
    return found | {"packing": packing(played)}


def show(name: str, found: dict[str, Any]) -> None:
    print(f"\n{name}: {found['tokens']} tokens in {found['turns']} turns")
    print(f"{'':34}{'CPU-s':>8}{'least–most':>16}{'tokens/CPU-s':>14}{'MiB':>8}   against Farfield")
    for way in [*WAYS, "trl"]:
        if way not in found:
            continue
        cost = found[way]
        seconds = cost["cpu_seconds"]
        ratio = cost.get("over_farfield") or cost.get("over_farfield_paper")
        beside = f"{ratio['median']:.2f} × ({ratio['least']}–{ratio['most']})" if ratio else ""
        between = f"{seconds['least']:.2f}–{seconds['most']:.2f}"
        print(
            f"{way:<34}{seconds['median']:>8.2f}{between:>16}{cost['tokens_per_cpu_second']:>14}"
            f"{cost['peak_mib']:>8.0f}   {beside}"
        )
    for way, share in found["packing"].items():
        print(f"  positions of {way}: {share}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--data", nargs="+", default=list(DATA), choices=list(DATA))
    parser.add_argument("--ways", nargs="+", default=[*WAYS, "trl"], choices=[*WAYS, "trl"])
    parser.add_argument("--size", default="1.1M", choices=SIZES)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="fp32", choices=["fp32", "bf16"])
    parser.add_argument("--output", type=Path, default=RESULTS / "training.json")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    chosen = {name: getattr(arguments, name) for name in ("size", "device", "precision", "rounds")}
    record: dict[str, Any] = {"unit": "CPU-seconds per update"} | chosen | circumstances()
    for name in arguments.data:
        with tempfile.TemporaryDirectory() as folder:
            base, data = checkpoint(Path(folder, "model"), arguments.size), Path(folder, "episodes.json")
            played = sampled(base, DATA[name](), arguments.device)
            write(data, played)
            setup = (base, data, arguments.device, arguments.precision)
            costs = compare(setup, arguments.ways, arguments.rounds)
            record[name] = {"load_after": circumstances()["load"]} | report(played, costs)
        show(name, record[name])
    if arguments.device != "cpu":
        record |= shares(record, arguments)
    arguments.output.write_text(json.dumps(record, indent=1) + "\n")


def shares(record: dict[str, Any], arguments: argparse.Namespace) -> dict[str, Any]:
    """Of the device's own peak, by data and way."""
    dtype = torch.bfloat16 if arguments.precision == "bf16" else torch.float32
    peak = matmul_flops(arguments.device, dtype)
    parameters = sum(item.numel() for item in build(arguments.size).parameters())
    found = {
        name: {
            way: round(6 * parameters * record[name][way]["tokens_per_second"] / peak, 4)
            for way in arguments.ways
            if way in record[name] and way not in PPO
        }
        for name in arguments.data
    }
    print(f"\nshare of {peak / 1e12:.0f} TFLOP/s, what a plain product reaches: {found}")
    return {"matmul_tflops": round(peak / 1e12, 1), "share_of_matmul": found}


if __name__ == "__main__":
    main()
