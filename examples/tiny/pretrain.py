"""Builds the tiny base model from nothing: tokenizer, random weights, pre-training.

    python examples/tiny/pretrain.py --output /tmp/tiny

Deterministic for a seed, a thread count and a torch build.
"""

import argparse
import math
import time
from pathlib import Path
from random import Random

import torch
from corpus import Transcript, transcripts
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM
from vocabulary import END, PAD, WORDS, save_tokenizer

WORD_IDS = {word: i for i, word in enumerate(WORDS)}

STEPS = 600
"""Stopped early: under-trained, the model knows more than it shows when it is sampled."""
SCHEDULED_STEPS = 1000
"""What the learning rate would fall over."""
ATTEMPTS = 160
"""Of a step."""
LEARNING_RATE = 3e-3
WARMUP = 50


def build_model(seed: int) -> LlamaForCausalLM:
    """0.87 M parameters."""
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(WORDS),
        hidden_size=128,
        intermediate_size=384,
        num_hidden_layers=4,
        num_attention_heads=4,
        max_position_embeddings=512,
        tie_word_embeddings=True,
        pad_token_id=WORD_IDS[PAD],
        eos_token_id=WORD_IDS[END],
        bos_token_id=None,
    )
    return LlamaForCausalLM(config)


def collate(transcripts: list[Transcript]) -> tuple[Tensor, Tensor]:
    """Token ids and loss weights, both [batch, length], padded on the right."""
    length = max(len(transcript.words) for transcript in transcripts)
    ids = torch.full((len(transcripts), length), WORD_IDS[PAD])
    weights = torch.zeros(len(transcripts), length)
    for row, transcript in enumerate(transcripts):
        size = len(transcript.words)
        ids[row, :size] = torch.tensor([WORD_IDS[word] for word in transcript.words])
        weights[row, :size] = torch.tensor(transcript.weights)
    return ids, weights


def weighted_loss(model: LlamaForCausalLM, ids: Tensor, weights: Tensor) -> Tensor:
    """Mean negative log-likelihood over weighted tokens. Padding comes last, so that causal attention
    needs no mask."""
    logits = model(input_ids=ids[:, :-1], use_cache=False).logits
    losses = torch.nn.functional.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten(), reduction="none")
    kept = weights[:, 1:].flatten()
    return (losses * kept).sum() / kept.sum()


def rate_at(step: int) -> float:
    """Linear warm-up, then a cosine down to a twentieth."""
    if step < WARMUP:
        return LEARNING_RATE * (step + 1) / WARMUP
    progress = (step - WARMUP) / (SCHEDULED_STEPS - WARMUP)
    return LEARNING_RATE * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * progress)))


def train(model: LlamaForCausalLM, rng: Random) -> None:
    optimizer = torch.optim.AdamW(model.parameters(), betas=(0.9, 0.98), weight_decay=0.05)
    started = time.monotonic()
    for step in range(STEPS):
        for group in optimizer.param_groups:
            group["lr"] = rate_at(step)
        loss = weighted_loss(model, *collate(transcripts(rng, ATTEMPTS)))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if step % 25 == 0 or step == STEPS - 1:
            elapsed = time.monotonic() - started
            print(f"step {step:4d} of {STEPS}   loss {loss.item():.4f}   {elapsed:4.0f} s", flush=True)


def save(model: LlamaForCausalLM, folder: Path) -> None:
    model.save_pretrained(folder)
    save_tokenizer(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, help="folder of the checkpoint")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    model = build_model(arguments.seed)
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters", flush=True)
    train(model, Random(f"mixed {arguments.seed}"))
    save(model, arguments.output)


if __name__ == "__main__":
    main()
