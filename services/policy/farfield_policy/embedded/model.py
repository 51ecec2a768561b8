"""A Hugging Face language model as the decode loop uses it: prompts in, last logits out. It may have eyes."""

import copy
import inspect
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor
from transformers import PretrainedConfig

from farfield_kernel.adapters import is_adapter
from farfield_kernel.errors import FailedPrecondition, NotFound
from farfield_model.loading import load_module
from farfield_model.vision import Picture, Vision, vision_of
from farfield_policy.embedded.fused import fuse
from farfield_policy.embedded.kv_cache import SlotCache
from farfield_policy.embedded.sight import Sight

KEPT_FEATURES = 256 << 20
"""Bytes of features that are kept for an image's next turn, and for those who look at the same."""
_ATTENTION = {"full_attention", "sliding_attention"}


@dataclass(frozen=True, slots=True)
class Chunk:
    """Tokens of a prompt from `past` on, and the images that the whole prompt holds."""

    prompt_ids: Sequence[int]
    past: int = 0
    sight: Sight | None = None

    @property
    def ids(self) -> Sequence[int]:
        return self.prompt_ids[self.past :]

    @property
    def length(self) -> int:
        return len(self.prompt_ids) - self.past


class Model:
    """Weights that serve. Modules are never changed in place, so a reference stays valid after a swap.
    `vision` is None for a model of text alone."""

    def __init__(
        self, module: Any, max_context: int, fused: bool = True, vision: Vision | None = None
    ) -> None:
        accepted = inspect.signature(module.forward).parameters
        check_supported(module.config.get_text_config(), set(accepted))
        self.module = module.eval().requires_grad_(False)
        self.vision = vision
        self._embed = module.get_input_embeddings()
        self._axes = vision.axes if vision else 1
        self._seen: OrderedDict[str, Tensor] = OrderedDict()
        # The name of the cache argument depends on the release of transformers.
        self._cache_argument = "cache" if "cache" in accepted else "past_key_values"
        self._selects_logits = "logits_to_keep" in accepted
        self.max_context = min(context_limit(module.config.get_text_config()), max_context)
        self._fused = fuse(module, self.max_context) if fused and self._axes == 1 else None

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

    def prefill(self, chunks: Sequence[Chunk], cache: SlotCache) -> Tensor:
        """Logits [prompts, vocabulary] after each prompt's last token. Padding stands on the right, where
        causal attention never looks, so that no mask is needed."""
        return self._last(chunks, self._counted(chunks), None, cache)

    def extend(self, chunks: Sequence[Chunk], places: Tensor, mask: Tensor, cache: SlotCache) -> Tensor:
        """Logits [prompts, vocabulary] after each prompt's last token, where the prompts go on from what the
        cache holds: places [prompts, longest], mask [prompts, 1, longest, length] added to the scores."""
        places = places.clamp(max=self.max_context - 1)  # padding may stand beyond the context
        return self._last(chunks, self._counted(chunks, places), mask, cache)

    def decode(self, tokens: Tensor, positions: Tensor, mask: Tensor, cache: SlotCache) -> Tensor:
        """Logits [rows, vocabulary] of one token per row; mask [rows, 1, 1, length], added to the scores."""
        if self._fused is not None:
            hidden = self._embed(tokens[:, None])
            return self._spoken(self._fused.head(self._fused.decode(hidden, positions, mask, cache)[:, 0]))
        positions = positions[:, None]
        if self._axes > 1:
            positions = positions.expand(self._axes, -1, -1)
        return self._run({"input_ids": tokens[:, None]}, positions, mask, cache, 1)[:, -1]

    def logits(self, chunks: Sequence[Chunk], first: int) -> Tensor:
        """Logits [sequences, length - first, vocabulary] from position `first` on, without a cache."""
        longest = max(chunk.length for chunk in chunks)
        kept = torch.arange(first, longest, device=self.device)
        return self._run(self._inputs(chunks), self._counted(chunks), None, None, kept)

    def _last(
        self, chunks: Sequence[Chunk], positions: Tensor | None, mask: Tensor | None, cache: SlotCache
    ) -> Tensor:
        rows = torch.arange(len(chunks), device=self.device)
        last = torch.tensor([chunk.length - 1 for chunk in chunks], device=self.device)
        if self._fused is not None:
            hidden = self._embedded(chunks)
            states = (
                self._fused.prefill(hidden, cache)
                if mask is None or positions is None
                else self._fused.extend(hidden, positions, mask, cache)
            )
            return self._spoken(self._fused.head(states[rows, last]))
        kept, which = last.unique(return_inverse=True)
        return self._run(self._inputs(chunks), positions, mask, cache, kept)[rows, which]

    def _run(
        self,
        inputs: dict[str, Tensor],
        positions: Tensor | None,
        mask: Tensor | None,
        cache: SlotCache | None,
        kept: Tensor | int,
    ) -> Tensor:
        options: dict[str, Any] = {"use_cache": cache is not None, self._cache_argument: cache}
        if self._selects_logits:
            options["logits_to_keep"] = kept
        logits = self.module(**inputs, position_ids=positions, attention_mask=mask, **options).logits
        return self._spoken(logits if self._selects_logits or isinstance(kept, int) else logits[:, kept])

    def _spoken(self, logits: Tensor) -> Tensor:
        return logits if self.vision is None else self.vision.silence(logits)

    # What goes in

    def _inputs(self, chunks: Sequence[Chunk]) -> dict[str, Tensor]:
        if any(chunk.sight for chunk in chunks):
            return {"inputs_embeds": self._embedded(chunks)}
        return {"input_ids": padded([chunk.ids for chunk in chunks], self.device)}

    def _embedded(self, chunks: Sequence[Chunk]) -> Tensor:
        """Embeddings [prompts, longest, width], with the features of images in place of their tokens'."""
        ids = padded([chunk.ids for chunk in chunks], self.device)
        hidden = self._embed(ids)
        for row, chunk in enumerate(chunks):
            if chunk.sight is not None and self.vision is not None:
                places = (ids[row] == self.vision.image_token).nonzero()[:, 0]
                features = torch.cat(self._features(chunk.sight.pictures))
                hidden[row, places] = features[len(features) - len(places) :].to(hidden.dtype)
        return hidden

    def _features(self, pictures: Sequence[Picture]) -> list[Tensor]:
        """[tokens, width] of each picture under these weights; the latest used are kept."""
        assert self.vision is not None  # noqa: S101 - only prompts of a vision-language model have images
        new = {one.sha256: one for one in pictures if one.sha256 not in self._seen}
        # One by one, so that the bits of a feature do not depend on what it was asked together with.
        found = self.vision.features(self.module, list(new.values()), alone=True)
        self._seen.update(zip(new, found, strict=True))
        features = [self._seen[picture.sha256] for picture in pictures]
        for picture in pictures:
            self._seen.move_to_end(picture.sha256)
        while len(self._seen) > 1 and sum(one.nbytes for one in self._seen.values()) > KEPT_FEATURES:
            self._seen.popitem(last=False)
        return features

    def _counted(self, chunks: Sequence[Chunk], places: Tensor | None = None) -> Tensor | None:
        """Positions of the chunks' tokens, `places` [prompts, longest] unless a model counts images
        otherwise: then [axes, prompts, longest]."""
        if self._axes == 1:
            return places
        longest = max(chunk.length for chunk in chunks)
        if places is None:
            places = torch.arange(longest, device=self.device).expand(len(chunks), -1)
        counted = places.expand(self._axes, -1, -1).clone()
        for row, chunk in enumerate(chunks):
            own = chunk.sight.counted(chunk.past, chunk.length) if chunk.sight else None
            if own is not None:
                counted[:, row, : chunk.length] = own.to(self.device)
        return counted


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
    module = load_module(path, dtype, device, attention)
    return Model(module, max_context, fused, vision_of(path, module))


def load_beside(path: str, serving: Model, base: Path | None = None) -> Model:
    """The weights in `path` in a model of their own, with the architecture of the serving one. Of an adapter
    with the model that it goes over, which may also be in `base`."""
    if is_adapter(Path(path)):
        module = _loaded_as(path, serving, base)
        return Model(module, serving.max_context, serving.fused, serving.vision)
    files = sorted(Path(path).glob("*.safetensors"))
    if not files:
        raise NotFound(f"{path} holds no *.safetensors")
    module = copy.deepcopy(serving.module)
    state = {name: values for file in files for name, values in load_file(file).items()}
    if not _fits(state, module):
        # Saved under other names than the module's own; transformers knows how to convert them.
        module = _loaded_as(path, serving)
    else:
        module.load_state_dict(state, strict=False)
    return Model(module, serving.max_context, serving.fused, serving.vision)


def _loaded_as(path: str, serving: Model, base: Path | None = None) -> Any:
    """A module as the serving one is; FailedPrecondition for one of another architecture."""
    dtype = str(serving.dtype).removeprefix("torch.")
    attention = serving.module.config._attn_implementation
    module = load_module(path, dtype, str(serving.device), attention, base)
    _check_same(module, serving.module, path)
    return module


def _fits(state: dict[str, Tensor], module: torch.nn.Module) -> bool:
    """Whether `state` holds every weight by the module's own names; tied weights may be left out."""
    own = module.state_dict()
    tied = set(getattr(module, "all_tied_weights_keys", None) or ())
    complete = set(own) - tied <= set(state) <= set(own)
    return complete and all(values.shape == own[name].shape for name, values in state.items())


def _check_same(loaded: torch.nn.Module, serving: torch.nn.Module, path: str) -> None:
    if _shapes(loaded) != _shapes(serving):
        raise FailedPrecondition(f"{path} is of another architecture than the model that is served")


def _shapes(module: torch.nn.Module) -> dict[str, torch.Size]:
    """Of the weights by name, whatever adapter stands beside them."""
    state = module.state_dict().items()
    return {name: values.shape for name, values in state if not name.endswith((".lora_A", ".lora_B"))}
