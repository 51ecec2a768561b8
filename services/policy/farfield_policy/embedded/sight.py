"""The images of one prompt: which they are, where they stand, and how far along its tokens count."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from farfield_kernel.errors import InvalidArgument
from farfield_model.vision import Picture, Vision

_DIGEST_DIGITS = 12
"""Of a SHA-256, as part of an id: 48 bits fit beside a vocabulary."""


@dataclass(frozen=True, slots=True, eq=False)
class Sight:
    """`pictures` in the order of their tokens; `identity` has an id of its own for the tokens of each image;
    `positions` [axes, tokens] where the model does not just count tokens."""

    pictures: tuple[Picture, ...]
    image_token: int
    identity: Sequence[int]
    positions: Tensor | None

    def counted(self, start: int, length: int) -> Tensor | None:
        """[axes, length] positions from a place on; what follows the prompt goes on by one a token."""
        if self.positions is None:
            return None
        size = self.positions.shape[1]
        beyond = torch.arange(size, max(start + length, size)) + self.shift()
        whole = torch.cat([self.positions, beyond.expand(len(self.positions), -1)], dim=1)
        return whole[:, start : start + length]

    def shift(self) -> int:
        """How much further than its place the first token of the response counts."""
        if self.positions is None:
            return 0
        return int(self.positions.max()) + 1 - self.positions.shape[1]


def sight_of(
    ids: Sequence[int], pictures: Sequence[Picture], vision: Vision, module: object, vocabulary: int
) -> Sight:
    """InvalidArgument where the prompt has another number of image tokens than its images fill."""
    wanted = sum(picture.tokens for picture in pictures)
    places = np.flatnonzero(np.asarray(ids) == vision.image_token)
    if len(places) != wanted:
        raise InvalidArgument(
            f"the prompt holds {len(places)} image tokens, but its {len(pictures)} images fill {wanted}; "
            "give the images of prefix_ids as prefix_images, in their order"
        )
    names = [vocabulary + int(picture.sha256[:_DIGEST_DIGITS], 16) for picture in pictures]
    identity = np.array(ids, np.int64)
    identity[places] = np.repeat(names, [picture.tokens for picture in pictures])
    positions = vision.positions(module, ids, pictures) if vision.axes > 1 else None
    return Sight(tuple(pictures), vision.image_token, identity.tolist(), positions)
