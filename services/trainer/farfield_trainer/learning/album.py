"""The images of one update, and their place among its tokens.

Each token of each image gets an id of its own beyond the vocabulary: `vocabulary + n` is line n of the
features of all images, one below the other. Packing then tells images apart as it tells words apart, and an
id says which features stand in its place.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from farfield_kernel.errors import DataLoss, FailedPrecondition
from farfield_model.images import ImageFile
from farfield_model.vision import Picture, Vision
from farfield_trainer.learning.packing import MicroBatch

Array = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Page:
    """A batch's ids as the embedding knows them, the pictures that they show, and where: features line
    `places[2]` of those pictures stands at (`places[0]`, `places[1]`)."""

    ids: Array
    pictures: list[Picture]
    places: tuple[Array, Array, Array]


@dataclass(slots=True)
class Album:
    """`starts` [pictures + 1]: the lines of each picture; `positions` [axes, tokens] of each sequence, where
    the model does not just count tokens."""

    vision: Vision
    vocabulary: int
    pictures: list[Picture]
    starts: Array
    positions: list[Tensor] | None

    def page(self, ids: Array) -> Page:
        """Of ids [rows, width]."""
        shown = ids >= self.vocabulary
        lines = ids[shown] - self.vocabulary
        owners = np.searchsorted(self.starts, lines, side="right") - 1
        present, which = np.unique(owners, return_inverse=True)
        sizes = np.diff(self.starts)[present]
        own = lines - self.starts[owners] + (np.cumsum(sizes) - sizes)[which]
        plain = np.where(shown, self.vision.image_token, ids)
        return Page(plain, [self.pictures[number] for number in present], (*np.nonzero(shown), own))

    def positions_in(self, batch: MicroBatch) -> Tensor | None:
        """[axes, rows, width] of a batch; None where the place in a sequence says it all."""
        if self.positions is None:
            return None
        found = torch.zeros(self.vision.axes, batch.ids.size, dtype=torch.long)
        for member, nodes in zip(batch.members, batch.nodes, strict=True):
            found[:, torch.from_numpy(nodes)] = self.positions[member][:, : len(nodes)]
        return found.view(self.vision.axes, *batch.ids.shape)


def bind(
    vision: Vision | None,
    module: Any,
    sequences: Sequence[list[int]],
    images: Sequence[Sequence[ImageFile]],
) -> tuple[list[list[int]], Album | None]:
    """The sequences with ids of their own for the tokens of images, and the album that knows them; as they
    are where there is no image. `images` of each sequence in their order, with their bytes."""
    if not any(images):
        return list(sequences), None
    if vision is None:
        raise FailedPrecondition("the episodes show images, and the model that is trained takes none")
    files = {image.sha256: image for shown in images for image in shown}
    pictures = {digest: vision.prepare(image) for digest, image in files.items()}
    starts = np.cumsum([0, *(picture.tokens for picture in pictures.values())])
    vocabulary = module.get_input_embeddings().num_embeddings
    first = dict(zip(pictures, (vocabulary + starts).tolist(), strict=False))
    bound, positions = [], []
    for ids, shown in zip(sequences, images, strict=True):
        own = [pictures[image.sha256] for image in shown]
        bound.append(_bound(ids, own, first, vision.image_token))
        if vision.axes > 1:
            positions.append(vision.positions(module, ids, own))
    album = Album(vision, vocabulary, list(pictures.values()), starts, positions or None)
    return bound, album


def _bound(ids: list[int], pictures: Sequence[Picture], first: Mapping[str, int], token: int) -> list[int]:
    lines = [first[picture.sha256] + line for picture in pictures for line in range(picture.tokens)]
    array = np.asarray(ids, np.int64)
    places = np.flatnonzero(array == token)
    if len(places) != len(lines):
        raise DataLoss(
            f"a sequence holds {len(places)} image tokens, but its {len(pictures)} images fill {len(lines)}"
        )
    array[places] = lines
    return array.tolist()
