"""Ways to draw tokens: the embedded engine, `generate()` of transformers, its continuous batching."""

import asyncio
import copy
import time
from collections.abc import Sequence
from typing import Protocol

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformers import GenerationConfig, LlamaForCausalLM, PreTrainedTokenizerFast
from transformers.generation import ContinuousBatchingConfig

from benchmarks.generation.requests import Load, reply
from farfield_model.chat import Chat
from farfield_policy.config import TorchConfig
from farfield_policy.embedded.engine import TorchEngine
from farfield_policy.embedded.model import Model
from farfield_policy.engine import Prompt

CONTEXT = 512
SAMPLED = {"do_sample": True, "top_k": 0, "top_p": 1.0, "temperature": 1.0}


class Way(Protocol):
    async def answer(self, prompts: Sequence[Prompt], arrivals: Sequence[float] | None) -> list[list[int]]:
        """The responses' ids, once each prompt has come and all are done."""

    async def close(self) -> None: ...


async def play(way: Way, load: Load) -> None:
    prompts = load.prompts
    for turn in range(load.turns):
        responses = await way.answer(prompts, load.arrivals)
        assert [len(one) for one in responses] == [one.sampling.max_new_tokens for one in prompts]
        prompts = [reply(one, said, turn) for one, said in zip(prompts, responses, strict=True)]


class Generate:
    """Batches of `rows` in order of arrival, padded on the left, each until its longest is done."""

    def __init__(self, module: LlamaForCausalLM, rows: int) -> None:
        self._module, self._rows = copy.deepcopy(module), rows

    async def answer(self, prompts: Sequence[Prompt], arrivals: Sequence[float] | None) -> list[list[int]]:
        """A batch is whoever has come when the one before is done."""
        started, done = time.perf_counter(), 0
        responses: list[list[int]] = []
        while done < len(prompts):
            here = done + self._rows
            if arrivals:
                now = time.perf_counter() - started
                here = min(here, sum(came <= now for came in arrivals))
            if here <= done:
                await asyncio.sleep(0.001)
                continue
            responses += self._batch(prompts[done:here])
            done = min(here, len(prompts))
        return responses

    @torch.inference_mode()
    def _batch(self, prompts: Sequence[Prompt]) -> list[list[int]]:
        longest = max(len(prompt.prefix_ids) for prompt in prompts)
        ids = torch.zeros(len(prompts), longest, dtype=torch.long)
        mask = torch.zeros_like(ids)
        for row, prompt in enumerate(prompts):
            ids[row, longest - len(prompt.prefix_ids) :] = torch.tensor(prompt.prefix_ids)
            mask[row, longest - len(prompt.prefix_ids) :] = 1
        new = max(prompt.sampling.max_new_tokens for prompt in prompts)
        device = self._module.device
        out = self._module.generate(
            ids.to(device), attention_mask=mask.to(device), max_new_tokens=new, **SAMPLED
        )
        drawn = out[:, longest:].tolist()
        return [row[: one.sampling.max_new_tokens] for row, one in zip(drawn, prompts, strict=True)]

    async def close(self) -> None: ...


class Continuous:
    """`init_continuous_batching` of transformers, with room for `rows`. Its sizes are chosen here for a small
    model: by itself it takes what fits into memory, and is 10 times slower."""

    def __init__(self, module: LlamaForCausalLM, rows: int) -> None:
        self._module = copy.deepcopy(module)
        self._module.set_attn_implementation("sdpa")
        pages = rows * CONTEXT // 32
        sizes = {"page_size": 32, "num_blocks": pages, "max_batch_tokens": max(256, 4 * rows)}
        self._manager = self._module.init_continuous_batching(
            GenerationConfig(**SAMPLED, eos_token_id=-1, pad_token_id=0),
            ContinuousBatchingConfig(max_requests_per_batch=rows, **sizes),
        )
        self._manager.start()

    async def answer(self, prompts: Sequence[Prompt], arrivals: Sequence[float] | None) -> list[list[int]]:
        return await asyncio.to_thread(self._answer, prompts, arrivals)

    def _answer(self, prompts: Sequence[Prompt], arrivals: Sequence[float] | None) -> list[list[int]]:
        started = time.perf_counter()
        names = []
        for number, prompt in enumerate(prompts):
            if arrivals:
                time.sleep(max(0.0, started + arrivals[number] - time.perf_counter()))
            new = prompt.sampling.max_new_tokens
            names.append(self._manager.add_request(list(prompt.prefix_ids), max_new_tokens=new))
        found: dict[str, list[int]] = {}
        while len(found) < len(names):
            done = self._manager.get_result(timeout=1)
            if done is None and not self._manager.is_running():
                raise RuntimeError("the continuous batching of transformers ended")
            if done is not None and done.is_finished():
                found[done.request_id] = done.generated_tokens
        return [found[name] for name in names]

    async def close(self) -> None:
        await asyncio.to_thread(self._manager.stop, block=True)


class Engine:
    """The embedded engine, through its thread and futures as the service drives it; it gives logprobs too."""

    def __init__(self, module: LlamaForCausalLM, rows: int) -> None:
        tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(WordLevel({"a": 0}, unk_token="a")))
        config = TorchConfig(model="random", max_rows=rows, max_context=CONTEXT)
        model = Model(copy.deepcopy(module), CONTEXT, config.fused)
        self.engine = TorchEngine(config, model, Chat(tokenizer, ()), ())

    async def answer(self, prompts: Sequence[Prompt], arrivals: Sequence[float] | None) -> list[list[int]]:
        async def one(prompt: Prompt, after: float) -> list[int]:
            await asyncio.sleep(after)
            return list((await self.engine.submit([prompt])[0]).response_ids)

        if arrivals:
            return await asyncio.gather(*map(one, prompts, arrivals))
        return [list(done.response_ids) for done in await asyncio.gather(*self.engine.submit(prompts))]

    async def close(self) -> None:
        await self.engine.close()


WAYS = {"engine": Engine, "generate": Generate, "continuous": Continuous}
