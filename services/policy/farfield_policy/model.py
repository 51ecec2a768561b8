"""A Hugging Face causal language model as the decode loop uses it: prompts in, last logits out."""

import copy
import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor
from transformers import AutoModelForCausalLM, PretrainedConfig
from transformers.utils import logging as transformers_logging

from farfield_kernel.errors import FailedPrecondition, NotFound
from farfield_policy.fused import fuse
from farfield_policy.kv_cache import SlotCache

_ATTENTION = {"full_attention", "sliding_attention"}


class Model:
    """Weights that serve. Modules are never changed in place, so a reference stays valid after a swap."""

    def __init__(self, module: Any, max_context: int, fused: bool = True) -> None:
        accepted = inspect.signature(module.forward).parameters
        check_supported(module.config, set(accepted))
        self.module = module.eval().requires_grad_(False)
        # The name of the cache argument depends on the release of transformers.
        self._cache_argument = "cache" if "cache" in accepted else "past_key_values"
        self._selects_logits = "logits_to_keep" in accepted
        self.max_context = min(context_limit(module.config), max_context)
        self._fused = fuse(module, self.max_context) if fused else None

    @property
    def device(self) -> torch.device:
        return self.module.device

    @property
    def dtype(self) -> torch.dtype:
        return self.module.dtype

    @property
    def fused(self) -> bool:
        """Whether the leaner forward pass serves."""
        return self._fused is not None

    @property
    def vocabulary(self) -> int:
        return int(self.module.get_input_embeddings().num_embeddings)

    @property
    def parameters(self) -> int:
        return sum(parameter.numel() for parameter in self.module.parameters())

    def prefill(self, prompts: Sequence[Sequence[int]], cache: SlotCache) -> Tensor:
        """Logits [prompts, vocabulary] after each prompt's last token. Padding stands on the right, where
        causal attention never looks, so that no mask is needed."""
        ids, rows = padded(prompts, self.device), torch.arange(len(prompts), device=self.device)
        last = torch.tensor([len(prompt) - 1 for prompt in prompts], device=self.device)
        if self._fused is not None:
            return self._fused.head(self._fused.prefill(ids, cache)[rows, last])
        kept, which = last.unique(return_inverse=True)
        return self._run(ids, None, None, cache, kept)[rows, which]

    def extend(
        self, prompts: Sequence[Sequence[int]], positions: Tensor, mask: Tensor, cache: SlotCache
    ) -> Tensor:
        """Logits [prompts, vocabulary] after each prompt's last token, where the prompts go on from what the
        cache holds: positions [prompts, longest], mask [prompts, 1, longest, length] added to the scores."""
        ids, rows = padded(prompts, self.device), torch.arange(len(prompts), device=self.device)
        last = torch.tensor([len(prompt) - 1 for prompt in prompts], device=self.device)
        positions = positions.clamp(max=self.max_context - 1)  # padding may stand beyond the context
        if self._fused is not None:
            return self._fused.head(self._fused.extend(ids, positions, mask, cache)[rows, last])
        kept, which = last.unique(return_inverse=True)
        return self._run(ids, positions, mask, cache, kept)[rows, which]

    def decode(self, tokens: Tensor, positions: Tensor, mask: Tensor, cache: SlotCache) -> Tensor:
        """Logits [rows, vocabulary] of one token per row; mask [rows, 1, 1, length], added to the scores."""
        if self._fused is not None:
            return self._fused.head(self._fused.decode(tokens, positions, mask, cache)[:, 0])
        return self._run(tokens[:, None], positions[:, None], mask, cache, 1)[:, -1]

    def logits(self, sequences: Sequence[Sequence[int]], first: int) -> Tensor:
        """Logits [sequences, length - first, vocabulary] from position `first` on, without a cache."""
        ids = padded(sequences, self.device)
        return self._run(ids, None, None, None, torch.arange(first, ids.shape[1], device=self.device))

    def _run(
        self,
        ids: Tensor,
        positions: Tensor | None,
        mask: Tensor | None,
        cache: SlotCache | None,
        kept: Tensor | int,
    ) -> Tensor:
        options: dict[str, Any] = {"use_cache": cache is not None, self._cache_argument: cache}
        if self._selects_logits:
            options["logits_to_keep"] = kept
        logits = self.module(input_ids=ids, position_ids=positions, attention_mask=mask, **options).logits
        return logits if self._selects_logits or isinstance(kept, int) else logits[:, kept]


def padded(sequences: Sequence[Sequence[int]], device: torch.device) -> Tensor:
    """Ids [sequences, longest], padded with 0 on the right."""
    ids = torch.zeros(len(sequences), max(map(len, sequences)), dtype=torch.long)
    for row, sequence in enumerate(sequences):
        ids[row, : len(sequence)] = torch.as_tensor(sequence)
    return ids.to(device)


def check_supported(config: PretrainedConfig, accepted: set[str]) -> None:
    """Refuses models that a slot cache cannot serve."""
    kinds = set(getattr(config, "layer_types", None) or ()) - _ATTENTION
    if kinds:
        raise FailedPrecondition(
            f"{config.model_type} has layers of type {', '.join(sorted(kinds))}; only attention is served"
        )
    if "position_ids" not in accepted or not accepted & {"cache", "past_key_values"}:
        raise FailedPrecondition(
            f"{config.model_type} takes no position ids or no cache, and rows of a batch differ in both"
        )


def context_limit(config: PretrainedConfig) -> int:
    """Tokens of prompt and response together. A sliding window counts as the limit: within it, sliding
    and full attention are the same."""
    limit = int(getattr(config, "max_position_embeddings", None) or 1 << 30)
    kinds = getattr(config, "layer_types", None)
    window = getattr(config, "sliding_window", None)
    slides = "sliding_attention" in kinds if kinds else window is not None
    return min(limit, int(window)) if slides and window else limit


def load(
    path: str,
    max_context: int,
    dtype: str = "float32",
    device: str = "cpu",
    attention: str = "sdpa",
    fused: bool = True,
) -> Model:
    """A model from a folder or a hub name."""
    transformers_logging.disable_progress_bar()
    try:
        module: Any = AutoModelForCausalLM.from_pretrained(
            path, dtype=getattr(torch, dtype), attn_implementation=attention
        )
    except (OSError, ValueError) as error:
        raise NotFound(f"no model can be loaded from '{path}': {error}") from error
    return Model(module.to(device), max_context, fused)


def load_beside(path: str, serving: Model) -> Model:
    """The weights in `path` in a model of their own, with the architecture of the serving one."""
    files = sorted(Path(path).glob("*.safetensors"))
    if not files:
        raise NotFound(f"{path} holds no *.safetensors")
    module = copy.deepcopy(serving.module)
    state = {name: values for file in files for name, values in load_file(file).items()}
    if not _fits(state, module):
        # Saved under other names than the module's own; transformers knows how to convert them.
        dtype = str(serving.dtype).removeprefix("torch.")
        attention = serving.module.config._attn_implementation
        loaded = load(path, serving.max_context, dtype, str(serving.device), attention, serving.fused)
        _check_same(loaded.module, serving.module, path)
        return loaded
    module.load_state_dict(state, strict=False)
    return Model(module, serving.max_context, serving.fused)


def _fits(state: dict[str, Tensor], module: torch.nn.Module) -> bool:
    """Whether `state` holds every weight by the module's own names; tied weights may be left out."""
    own = module.state_dict()
    tied = set(getattr(module, "all_tied_weights_keys", None) or ())
    complete = set(own) - tied <= set(state) <= set(own)
    return complete and all(values.shape == own[name].shape for name, values in state.items())


def _check_same(loaded: torch.nn.Module, serving: torch.nn.Module, path: str) -> None:
    shapes = {name: values.shape for name, values in serving.state_dict().items()}
    if {name: values.shape for name, values in loaded.state_dict().items()} != shapes:
        raise FailedPrecondition(f"{path} is of another architecture than the model that is served")
