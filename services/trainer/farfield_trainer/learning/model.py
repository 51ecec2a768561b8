"""The policy as it is trained: a Hugging Face language model, a value head, logprobs of chosen tokens.

Logits are computed only where a token is trained on: a hook narrows the hidden states that enter the output
head to those places, so whatever a model does after its head (scaling, capping) stays in force.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx, once_differentiable

from farfield_kernel.errors import FailedPrecondition
from farfield_model.chat import Chat
from farfield_model.tokenizing import end_ids
from farfield_model.vision import Vision
from farfield_trainer.learning.album import Album
from farfield_trainer.learning.packing import MicroBatch

CHUNK = 1 << 20
"""Logits handled at once in float32: few enough for the caches of a CPU."""
CHUNK_ON_GPU = 32 * CHUNK
"""The same on a GPU, where every chunk costs a few launches: 134 MB, and up to three copies of it."""


class Scored(NamedTuple):
    """Per wanted token: logprob and entropy. Per wanted place: value, where there is a value head."""

    logprobs: Tensor
    entropy: Tensor
    values: Tensor | None


class Policy(nn.Module):
    """A causal or vision-language model with a linear value head on its last hidden states."""

    def __init__(
        self, model: Any, *, with_values: bool, autocast: bool = False, vision: Vision | None = None
    ) -> None:
        super().__init__()
        self.model: Any = model.eval()
        self.vision = vision
        self.hidden_size: int = model.config.get_text_config().hidden_size
        self.autocast = autocast
        self.value: nn.Linear | None = None
        head: nn.Module = model.get_output_embeddings()
        if with_values:
            device = next(model.parameters()).device
            self.value = nn.Linear(self.hidden_size, 1, device=device, dtype=self.dtype)
            nn.init.zeros_(self.value.weight)
            nn.init.zeros_(self.value.bias)
        self._wanted: Tensor | None = None
        self._hidden: Tensor | None = None
        head.register_forward_pre_hook(self._narrow)

    @property
    def dtype(self) -> torch.dtype:
        """Of the weights; that of logprobs and values is at least float32."""
        return next(self.model.parameters()).dtype

    def _narrow(self, _head: nn.Module, inputs: tuple[Tensor]) -> tuple[Tensor]:
        """[rows, width, hidden] -> [1, wanted, hidden]."""
        flat = inputs[0].reshape(-1, inputs[0].shape[-1])
        assert self._wanted is not None  # noqa: S101 - set by forward, which alone runs the model
        self._hidden = flat
        return (flat.index_select(0, self._wanted).unsqueeze(0),)

    def forward(
        self,
        batch: MicroBatch,
        sources: Tensor,
        targets: Tensor,
        temperatures: Tensor,
        value_places: Tensor,
        album: Album | None = None,
    ) -> Scored:
        """`sources` [tokens]: places whose logits predict `targets` [tokens], divided by `temperatures`.
        `album`: the images of the batch, where its ids have image tokens."""
        self._wanted = sources
        try:
            with torch.autocast(sources.device.type, torch.bfloat16, enabled=self.autocast):
                inputs = self._inputs(batch, album, sources.device)
                logits = self.model(**inputs, use_cache=False).logits[0]
            hidden = self._hidden
        finally:
            self._wanted = self._hidden = None
        if self.vision is not None:
            logits = self.vision.silence(logits)
        logprobs, entropy = SelectedLogprobs.apply(logits, targets, temperatures)
        values = None
        if self.value is not None and hidden is not None:
            chosen = hidden.index_select(0, value_places).to(self.value.weight.dtype)
            values = self.value(chosen).squeeze(-1).clone()  # a view would escape the hooks of FSDP2
        return Scored(logprobs, entropy, values)

    def _inputs(self, batch: MicroBatch, album: Album | None, device: torch.device) -> dict[str, Tensor]:
        inputs: dict[str, Tensor] = {}
        if batch.mask is not None:
            inputs["position_ids"] = torch.from_numpy(batch.positions).to(device)
            inputs["attention_mask"] = torch.from_numpy(batch.mask).to(device).unsqueeze(1)
        if album is None:
            return inputs | {"input_ids": torch.from_numpy(batch.ids).to(device)}
        if (positions := album.positions_in(batch)) is not None:
            inputs["position_ids"] = positions.to(device)
        return inputs | {"inputs_embeds": self._embedded(batch, album, device)}

    def _embedded(self, batch: MicroBatch, album: Album, device: torch.device) -> Tensor:
        """[rows, width, hidden]: features of images in place of their tokens' embeddings. Each image of the
        batch is looked at once, and learned from through every place that shows it."""
        page = album.page(batch.ids)
        hidden = self.model.get_input_embeddings()(torch.from_numpy(page.ids).to(device))
        if not page.pictures:
            return hidden
        features = torch.cat(album.vision.features(self.model, page.pictures)).to(hidden.dtype)
        rows, columns, lines = (torch.from_numpy(one).to(device) for one in page.places)
        return hidden.index_put((rows, columns), features[lines])


class SelectedLogprobs(torch.autograd.Function):
    """log softmax(logits / temperature)[target] per row, in at least float32, and the entropy (no gradient).

    Keeps the logits and one number per row for the backward pass; no second copy of the vocabulary.
    """

    @staticmethod
    def forward(
        ctx: FunctionCtx, logits: Tensor, targets: Tensor, temperatures: Tensor
    ) -> tuple[Tensor, Tensor]:
        """logits [tokens, vocabulary], targets [tokens], temperatures [tokens] -> [tokens], [tokens]."""
        dtype = torch.promote_types(logits.dtype, torch.float32)
        logprobs, entropy, norms = (logits.new_empty(len(logits), dtype=dtype) for _ in range(3))
        for rows in chunks(len(logits), logits.shape[-1], logits.device):
            scaled = logits[rows].to(dtype) / temperatures[rows, None]
            norms[rows] = scaled.logsumexp(-1)
            logprobs[rows] = scaled.gather(-1, targets[rows, None]).squeeze(-1) - norms[rows]
            entropy[rows] = norms[rows] - _expectation(scaled, norms[rows])
        ctx.save_for_backward(logits, targets, temperatures, norms)
        ctx.mark_non_differentiable(entropy)
        return logprobs, entropy

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor, _entropy: Tensor) -> tuple[Tensor, None, None]:
        """d logprob / d logits = (onehot(target) - softmax) / temperature."""
        logits, targets, temperatures, norms = ctx.saved_tensors
        out = torch.empty_like(logits)
        for rows in chunks(len(logits), logits.shape[-1], logits.device):
            scale = grad[rows] / temperatures[rows]
            part = (logits[rows].to(norms.dtype) / temperatures[rows, None]).sub_(norms[rows, None]).exp_()
            part.mul_(-scale[:, None])
            part.scatter_add_(-1, targets[rows, None], scale[:, None])
            out[rows] = part
        return out, None, None


def _expectation(scaled: Tensor, norms: Tensor) -> Tensor:
    """Mean of the scaled logits under their softmax; a logit of minus infinity has probability 0."""
    probabilities = (scaled - norms[:, None]).exp_()
    return (probabilities * scaled.clamp_min(torch.finfo(scaled.dtype).min)).sum(-1)


def chunks(rows: int, width: int, device: torch.device) -> list[slice]:
    """Runs of rows that are handled at once."""
    most = CHUNK if device.type == "cpu" else CHUNK_ON_GPU
    size = max(1, most // max(width, 1))
    return [slice(start, min(start + size, rows)) for start in range(0, rows, size)]


def shares_prefixes(model: Any) -> bool:
    """Whether attention of every layer is full, so that a mask of ancestors is all that rows need."""
    config = model.config.get_text_config()
    kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
    return kinds == {"full_attention"} and not getattr(config, "sliding_window", None)


def chat_of(model: Any, tokenizer: Any, eyes: Vision | None) -> Chat:
    """How a model converses; FailedPrecondition where it cannot."""
    ends = end_ids(model, tokenizer)
    if not ends:
        raise FailedPrecondition("neither the base nor its tokenizer names an end-of-sequence token")
    chat = Chat(tokenizer, ends, allow_rewriting=True, eyes=eyes)
    if not chat.has_template:
        raise FailedPrecondition("the tokenizer of the base has no chat template")
    return chat
