"""What one GRPO update costs: the learner beside a plain torch loop and one that takes a sample at a time.

A 1.1M-parameter Llama, 256 episodes in groups of 8, one thread, CPU-seconds; all ways take turns (A B A B) in
one process. Two data sets: one turn of 32 + 32 tokens, and revision episodes of 1 to 5 turns and 20 to 200
tokens. The plain loops are what one writes without this package: padded batches of 32, or one by one, full
logits, one optimizer step; they train on merged conversations as well.

    python benchmarks/training.py [--rounds 3] [--output training.json]
"""

import argparse
import json
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from farfield.trajectory.v1.trajectory_pb2 import Trajectory
from farfield.types.v1.types_pb2 import STATE_TERMINATED
from farfield_kernel.wire import floats_from_bytes, floats_to_bytes, ids_from_bytes, ids_to_bytes
from farfield_trainer.learning.algorithm_config import LearnerConfig
from farfield_trainer.learning.learner import Learner

VOCABULARY, GROUPS, GROUP = 512, 32, 8


def checkpoint(folder: Path, hidden: int = 128, layers: int = 5) -> Path:
    from tokenizers import Tokenizer, models

    words = Tokenizer(models.WordLevel({f"w{index}": index for index in range(VOCABULARY)}, unk_token="w0"))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, eos_token="w1", pad_token="w0")
    tokenizer.chat_template = "{% for message in messages %}{{ message.content }}{% endfor %}"
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=hidden,
        intermediate_size=3 * hidden,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=512,
        tie_word_embeddings=True,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


def episode(
    draw: random.Random, group: int, name: str, turns: Sequence[tuple[list[int], list[int]]]
) -> Trajectory:
    """Turns of (new prompt ids, response ids)."""
    trajectory = Trajectory(end=STATE_TERMINATED)
    trajectory.spec.episode_id, trajectory.spec.group = name, str(group)
    trajectory.spec.sampling.temperature = 1.0
    before: list[int] = []
    for new, response in turns:
        turn = trajectory.turns.add(
            prompt_ids=ids_to_bytes(before + new),
            response_ids=ids_to_bytes(response),
            logprobs=floats_to_bytes([-6.2] * len(response)),
            continues=bool(before),
        )
        turn.verdict.reward = draw.random()
        before = before + new + response
    return trajectory


def equal_lengths() -> list[Trajectory]:
    draw = random.Random(0)
    episodes = []
    for group in range(GROUPS):
        prompt = ids(draw, 32)
        episodes += [episode(draw, group, f"{group}/{i}", [(prompt, ids(draw, 32))]) for i in range(GROUP)]
    return episodes


def real_lengths() -> list[Trajectory]:
    """First prompt 20 to 28 tokens, responses 8 to 20, feedback 8 to 14, up to 5 turns."""
    draw = random.Random(1)
    episodes = []
    for group in range(GROUPS):
        prompt = ids(draw, draw.randint(20, 28))
        for i in range(GROUP):
            turns = [(prompt, ids(draw, draw.randint(8, 20)))]
            for _ in range(draw.choice([0, 0, 1, 2, 4, 4])):
                turns += [(ids(draw, draw.randint(8, 14)), ids(draw, draw.randint(8, 20)))]
            episodes.append(episode(draw, group, f"{group}/{i}", turns))
    return episodes


def ids(draw: random.Random, count: int) -> list[int]:
    return [draw.randrange(2, VOCABULARY) for _ in range(count)]


class PlainLoop:
    """Padded batches in the given order, full logits, the same clipped surrogate, one AdamW step."""

    def __init__(self, folder: Path, batch: int) -> None:
        self.model = LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32).train()
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-4, weight_decay=0.0)
        self.batch = batch

    def update(self, episodes: Sequence[Trajectory]) -> None:
        rows = [self.row(item) for item in episodes]
        total = sum(sum(mask) for _, mask, _ in rows)
        for start in range(0, len(rows), self.batch):
            self.accumulate(rows[start : start + self.batch], total)
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()

    def row(self, item: Trajectory) -> tuple[list[int], list[int], list[float]]:
        tokens: list[int] = []
        mask: list[int] = []
        old: list[float] = []
        for turn in item.turns:
            prompt, response = ids_from_bytes(turn.prompt_ids), ids_from_bytes(turn.response_ids)
            new = len(prompt) - len(tokens)
            tokens = prompt + response
            mask += [0] * new + [1] * len(response)
            old += [0.0] * new + floats_from_bytes(turn.logprobs)
        return tokens, mask, old

    def accumulate(self, rows: list[tuple[list[int], list[int], list[float]]], total: int) -> None:
        width = max(len(tokens) for tokens, _, _ in rows)
        tokens, mask, old = (
            torch.tensor([row[part] + [0] * (width - len(row[part])) for row in rows]) for part in range(3)
        )
        attention = (torch.arange(width) < torch.tensor([[len(row[0])] for row in rows])).long()
        logits = self.model(tokens, attention_mask=attention).logits[:, :-1]
        logprobs = logits.log_softmax(-1).gather(-1, tokens[:, 1:, None]).squeeze(-1)
        ratio = (logprobs - logprobs.detach()).exp()
        advantage = 0.5 + 0 * old[:, 1:]
        terms = -torch.min(ratio * advantage, ratio.clamp(0.8, 1.2) * advantage)
        ((terms * mask[:, 1:]).sum() / total).backward()


def learner(folder: Path, **settings: object) -> Callable[[Sequence[Trajectory]], object]:
    return Learner(LearnerConfig.model_validate(settings), folder, seed=0).update


def cpu_seconds(update: Callable[[Sequence[Trajectory]], object], episodes: Sequence[Trajectory]) -> float:
    started = time.process_time()
    update(episodes)
    return time.process_time() - started


def compare(folder: Path, episodes: Sequence[Trajectory], rounds: int) -> dict[str, float]:
    """Median CPU-seconds of one update; the one-by-one loop is measured once."""
    ways = {
        "farfield": learner(folder),
        "farfield_without_shared_prefixes": learner(folder, share_prefixes=False),
        "plain_loop_32": PlainLoop(folder, 32).update,
    }
    for update in ways.values():
        update(episodes[:GROUP])
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, update in ways.items():
            times[name].append(cpu_seconds(update, episodes))
    medians = {name: statistics.median(values) for name, values in times.items()}
    return medians | {"one_by_one": cpu_seconds(PlainLoop(folder, 1).update, episodes)}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        base = checkpoint(Path(folder))
        results = {
            name: compare(base, episodes, arguments.rounds)
            for name, episodes in (("equal_32_32", equal_lengths()), ("real_20_200", real_lengths()))
        }
    report = {
        "unit": "CPU-seconds per update",
        **{
            name: {
                **{way: round(seconds, 3) for way, seconds in result.items()},
                "plain_loop_over_farfield": round(result["plain_loop_32"] / result["farfield"], 2),
                "one_by_one_over_farfield": round(result["one_by_one"] / result["farfield"], 2),
            }
            for name, result in results.items()
        },
    }
    text = json.dumps(report, indent=2)
    print(text)
    if arguments.output:
        arguments.output.write_text(text + "\n")


if __name__ == "__main__":
    main()
