"""Tokens per CPU-second: the embedded engine against `generate()` of transformers.

    python benchmarks/generation.py [--sizes 1M 10M] [--batches 1 16 64] [--repeats 2] [--output FILE]

Both run the same random Llama weights in float32 on one thread, the same prompts, temperature 1 without
filters, in turn (A B A B); the table shows medians. `generate()` gives tokens alone; the engine, driven
through its thread and futures as the service does, also gives both logprobs of each. Equal: all prompts
have 32 tokens and all responses 48. Mixed: 8 to 64 of each, twice as many requests as rows, which
`generate()` takes batch by batch until the longest is done (its useful tokens are counted) and the engine
as rows fall free.
"""

import argparse
import asyncio
import copy
import json
import platform
import random
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from farfield_model.chat import Chat
from farfield_policy.config import TorchConfig
from farfield_policy.embedded.engine import TorchEngine
from farfield_policy.embedded.model import Model
from farfield_policy.engine import Prompt, Sampling

VOCABULARY = 512
LENGTHS = ["equal", "mixed", "turns"]
SHAPES = {
    "1M": {"hidden_size": 128, "intermediate_size": 384, "num_hidden_layers": 4, "num_attention_heads": 4},
    "10M": {"hidden_size": 320, "intermediate_size": 896, "num_hidden_layers": 8, "num_attention_heads": 8},
}


@dataclass(frozen=True)
class Line:
    """One comparison; tokens per CPU-second."""

    size: str
    lengths: str
    batch: int
    generate: float
    engine: float
    ratio: float


def build(size: str) -> LlamaForCausalLM:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=VOCABULARY, max_position_embeddings=512, tie_word_embeddings=True, **SHAPES[size]
    )
    module = LlamaForCausalLM(config).eval()
    module.generation_config.eos_token_id = None
    module.generation_config.pad_token_id = 0
    return module


TURNS = 4


def opening(batch: int) -> list[Prompt]:
    """The first turns; groups of four share a task."""
    rng = random.Random(batch)
    tasks = [[rng.randrange(1, VOCABULARY) for _ in range(24)] for _ in range(-(-batch // 4))]
    sampling = Sampling(16, temperature=1.0)
    return [Prompt(sampling, prefix_ids=tasks[seed // 4], seed=seed) for seed in range(batch)]


def reply(prompt: Prompt, response: Sequence[int], turn: int) -> Prompt:
    """The next turn: what was said, and feedback."""
    feedback = [1 + (turn * 8 + at) % (VOCABULARY - 1) for at in range(8)]
    ids = [*prompt.prefix_ids, *response, *feedback]
    return replace(prompt, prefix_ids=ids, seed=prompt.seed + 1000 * (turn + 1))


def requests(lengths: str, batch: int) -> list[Prompt]:
    if lengths == "turns":
        return opening(batch)
    rng = random.Random(batch)
    equal = lengths == "equal"

    def one(seed: int) -> Prompt:
        size, new = (32, 48) if equal else (rng.randint(8, 64), rng.randint(8, 64))
        ids = [rng.randrange(1, VOCABULARY) for _ in range(size)]
        return Prompt(Sampling(new, temperature=1.0), prefix_ids=ids, seed=seed)

    return [one(seed) for seed in range(batch if equal else 2 * batch)]


def run_generate(module: LlamaForCausalLM, prompts: list[Prompt], batch: int) -> list[list[int]]:
    responses: list[list[int]] = []
    for at in range(0, len(prompts), batch):
        chosen = prompts[at : at + batch]
        longest = max(len(prompt.prefix_ids) for prompt in chosen)
        ids = torch.zeros(len(chosen), longest, dtype=torch.long)
        mask = torch.zeros_like(ids)
        for row, prompt in enumerate(chosen):
            ids[row, longest - len(prompt.prefix_ids) :] = torch.tensor(prompt.prefix_ids)
            mask[row, longest - len(prompt.prefix_ids) :] = 1
        new = max(prompt.sampling.max_new_tokens for prompt in chosen)
        with torch.inference_mode():
            out = module.generate(
                ids,
                attention_mask=mask,
                max_new_tokens=new,
                do_sample=True,
                top_k=0,
                top_p=1.0,
                temperature=1.0,
            )
        responses += out[:, longest:].tolist()
    return responses


async def run_engine(engine: TorchEngine, prompts: list[Prompt]) -> list[Sequence[int]]:
    done = await asyncio.gather(*engine.submit(prompts))
    assert [len(one.response_ids) for one in done] == [one.sampling.max_new_tokens for one in prompts]
    return [one.response_ids for one in done]


async def play(turns: int, prompts: list[Prompt], run: Callable[[list[Prompt]], Awaitable[list]]) -> None:
    for turn in range(turns):
        responses = await run(prompts)
        prompts = [reply(one, said, turn) for one, said in zip(prompts, responses, strict=True)]


async def compare(size: str, lengths: str, batch: int, repeats: int) -> Line:
    module = build(size)
    plain = copy.deepcopy(module)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(WordLevel({"a": 0}, unk_token="a")))
    config = TorchConfig(model=size, max_rows=batch, max_context=512)
    engine = TorchEngine(config, Model(module, 512, config.fused), Chat(tokenizer, ()), ())
    prompts = requests(lengths, batch)
    tokens = sum(prompt.sampling.max_new_tokens for prompt in prompts) * (TURNS if lengths == "turns" else 1)
    turns = TURNS if lengths == "turns" else 1

    async def generate(chosen: list[Prompt]) -> list[list[int]]:
        return run_generate(plain, chosen, batch)

    async def embedded(chosen: list[Prompt]) -> list[Sequence[int]]:
        return await run_engine(engine, chosen)

    rates: dict[str, list[float]] = {"generate": [], "engine": []}
    for repeat in range(repeats + 1):
        started = time.process_time()
        await play(turns, prompts, generate)
        between = time.process_time()
        await play(turns, prompts, embedded)
        ended = time.process_time()
        if repeat:  # the first round warms up
            rates["generate"].append(tokens / (between - started))
            rates["engine"].append(tokens / (ended - between))
    await engine.close()
    a, b = (statistics.median(rates[name]) for name in ("generate", "engine"))
    return Line(size, lengths, batch, round(a, 1), round(b, 1), round(b / a, 2))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--sizes", nargs="+", default=list(SHAPES), choices=list(SHAPES))
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 16, 64])
    parser.add_argument("--lengths", nargs="+", default=LENGTHS, choices=LENGTHS)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "generation.json")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    lines = []
    print("size  lengths  batch  generate()    engine  ratio   (tokens per CPU-second)")
    for size in arguments.sizes:
        for lengths in arguments.lengths:
            for batch in arguments.batches:
                line = asyncio.run(compare(size, lengths, batch, arguments.repeats))
                lines.append(line)
                shown = f"{line.size:>4}  {line.lengths:<7}  {line.batch:>5}  {line.generate:>10}"
                print(f"{shown}  {line.engine:>8}  {line.ratio:>5.2f}", flush=True)
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    record = {
        "torch": torch.__version__,
        "machine": platform.machine(),
        "lines": [asdict(one) for one in lines],
    }
    arguments.output.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
