"""The eyes of a vision-language model: image files to pixels, pixels to rows of the embedding space.

A model of this kind is a vision tower, whose features stand in for the embeddings of its image tokens, and
a language model that sees embeddings alone. Here the two halves run apart, so that an image is encoded once
however many prompts, turns and responses hold it. Whether a model can be taken apart so is tried when it is
loaded, by comparing with its own forward pass; one that cannot (cross attention, attention among the tokens
of an image) is refused.
"""

import inspect
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from farfield_kernel.errors import FailedPrecondition, FarfieldError
from farfield_model.images import ImageFile, pixels
from farfield_model.loading import sees_images
from farfield_model.tokenizing import ProcessorEyes, load_processor

_TOLERANCE = 1e-3
_NOT_FOR_THE_TOWER = {"input_ids", "attention_mask", "mm_token_type_ids", "token_type_ids"}


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """One image as a model takes it. `tokens`: how many image tokens of a prompt it fills; `inputs`: what
    the vision tower is given, by name, first dimension one image (or its patches)."""

    sha256: str
    tokens: int
    inputs: dict[str, Tensor]

    @property
    def bytes(self) -> int:
        return sum(values.numel() * values.element_size() for values in self.inputs.values())


class Vision(ProcessorEyes):
    """Images for one architecture; weights are the module's that is given to each call."""

    def __init__(self, processor: Any, module: Any) -> None:
        """FailedPrecondition for a model that cannot be taken apart into tower and language model."""
        super().__init__(processor)
        config = module.config
        self.image_token: int = getattr(config, "image_token_id", None) or config.image_token_index
        self.axes = 3 if hasattr(module.base_model, "get_rope_index") else 1
        """How many positions a token has: 3 where rotations follow time, height and width."""
        self._check(module)

    def prepare(self, image: ImageFile) -> Picture:
        """The image in the model's pixels."""
        return self._prepare(image.sha256, pixels(image))

    def _prepare(self, sha256: str, picture: Any) -> Picture:
        encoded = self.processor(
            text=[self._mark], images=[[picture]], add_special_tokens=False, return_tensors="pt"
        )
        tokens = int((encoded["input_ids"] == self.image_token).sum())
        inputs = {name: value for name, value in encoded.items() if name not in _NOT_FOR_THE_TOWER}
        return Picture(sha256, tokens, inputs)

    def features(self, module: Any, pictures: Sequence[Picture], *, alone: bool = False) -> list[Tensor]:
        """[tokens, hidden] of each picture. Those of one shape run together, unless `alone`: the bits of a
        result then depend on its picture only."""
        groups: dict[Any, list[int]] = defaultdict(list)
        for index, picture in enumerate(pictures):
            groups[index if alone else _shape(picture)].append(index)
        found: dict[int, Tensor] = {}
        for members in groups.values():
            rows = self._tower(module, [pictures[index] for index in members])
            found.update(zip(members, rows, strict=True))
        return [found[index] for index in range(len(pictures))]

    def _tower(self, module: Any, pictures: Sequence[Picture]) -> Sequence[Tensor]:
        inputs = {
            name: torch.cat([picture.inputs[name] for picture in pictures]).to(module.device)
            for name in pictures[0].inputs
        }
        out = module.get_image_features(**inputs, return_dict=True).pooler_output
        rows = torch.cat([part.flatten(0, -2) for part in out])
        return rows.split([picture.tokens for picture in pictures])

    def silence(self, logits: Tensor) -> Tensor:
        """The image token is not a word: no response may draw it, for it would pass for an image. Changes
        logits [..., vocabulary] in place."""
        return logits.index_fill_(-1, torch.tensor([self.image_token], device=logits.device), float("-inf"))

    def positions(self, module: Any, ids: Sequence[int], pictures: Sequence[Picture]) -> Tensor:
        """[axes, tokens] of a prompt: how far along each of its tokens counts. What follows goes on from the
        largest, by one a token on every axis."""
        places = torch.arange(len(ids)).expand(self.axes, -1)
        if self.axes == 1 or not pictures:
            return places
        row = torch.tensor([list(ids)])
        found = module.base_model.get_rope_index(
            row,
            mm_token_type_ids=(row == self.image_token).int(),
            image_grid_thw=torch.cat([picture.inputs["image_grid_thw"] for picture in pictures]),
        )[0]
        return found[:, 0].cpu()

    # Whether it can be done at all

    def _check(self, module: Any) -> None:
        try:
            difference = self._difference(module)
        except FarfieldError:
            raise
        except Exception as error:  # whatever an architecture that is built otherwise may raise
            raise FailedPrecondition(
                f"{module.config.model_type} cannot be taken apart into a vision tower and a language model: "
                f"{type(error).__name__}: {error}"
            ) from error
        if not difference <= _TOLERANCE:
            raise FailedPrecondition(
                f"{module.config.model_type} mixes images and text in a way that is not served: its logits "
                f"differ by {difference:.2g} from those of its parts"
            )

    @torch.no_grad()
    def _difference(self, module: Any) -> float:
        """Of logits over an image and some text: by the model's own pass, and by its parts."""
        encoded, picture = self._example(module)
        own = module(**encoded, use_cache=False).logits[0].float()
        ids = encoded["input_ids"][0].tolist()
        embedded = module.get_input_embeddings()(encoded["input_ids"])
        sees = encoded["input_ids"] == self.image_token
        embedded[sees] = self.features(module, [picture])[0].to(embedded.dtype)
        places = self.positions(module, ids, [picture]).to(module.device)[:, None]
        parts = module(
            inputs_embeds=embedded, position_ids=places if self.axes > 1 else places[0], use_cache=False
        ).logits[0].float()  # fmt: skip
        return float((own - parts).abs().max() / own.abs().max().clamp_min(1))

    def _example(self, module: Any) -> tuple[dict[str, Any], Picture]:
        from PIL import Image

        picture = Image.radial_gradient("L").convert("RGB")
        encoded = self.processor(
            text=[f"{self._mark} a b c"], images=[[picture]], add_special_tokens=False, return_tensors="pt"
        )
        accepted = inspect.signature(module.forward).parameters
        inputs = {name: value.to(module.device) for name, value in encoded.items() if name in accepted}
        return inputs, self._prepare("", picture)


def vision_of(path: str | Path, module: Any) -> Vision | None:
    """The eyes of the model in a folder, if it has any."""
    return Vision(load_processor(path), module) if sees_images(path) else None


def _shape(picture: Picture) -> tuple[Any, ...]:
    return tuple((name, tuple(value.shape[1:])) for name, value in sorted(picture.inputs.items()))
