"""From a prompt as it comes to a request for the batch: ids by the chat template, images as pictures."""

import logging
from collections.abc import Sequence

from farfield_kernel.errors import FailedPrecondition, FarfieldError, PluginFailure
from farfield_model.chat import Chat, images_of
from farfield_model.images import ImageFile
from farfield_model.vision import Picture
from farfield_policy.embedded.gallery import Gallery
from farfield_policy.embedded.model import Model
from farfield_policy.embedded.rows import Request
from farfield_policy.embedded.scoring import Seen
from farfield_policy.embedded.sight import Sight, sight_of
from farfield_policy.engine import Forced, Prompt
from farfield_policy.limits import check_prompt_ids

log = logging.getLogger(__name__)


class Reader:
    """Used by one thread at a time; knows no event loop. `model` is the one that serves: prompts are built by
    what all versions have in common, and none is held longer than it serves."""

    def __init__(
        self, chat: Chat, model: Model, eos_ids: Sequence[int], max_context: int, kept_image_bytes: int
    ) -> None:
        self._chat, self.model, self._eos_ids, self._max_context = chat, model, eos_ids, max_context
        self._gallery = Gallery(model.vision, kept_image_bytes) if model.vision else None

    @property
    def sees(self) -> bool:
        """Whether the model takes images."""
        return self._gallery is not None

    def read(self, prompts: Sequence[Prompt]) -> list[Request | FarfieldError]:
        """One request per prompt, or what is wrong with it."""
        return list(map(self._read, prompts))

    def sights(self, items: Sequence[Forced]) -> list[Seen]:
        """The images of each item's prompt, or what is wrong with them."""
        return list(map(self._sight_in, items))

    def _read(self, prompt: Prompt) -> Request | FarfieldError:
        try:
            prompt.sampling.validate()
            pictures = self._look([*prompt.prefix_images, *images_of(prompt.messages)])
            messages = prompt.messages
            if self._gallery is not None:
                messages = tuple(map(self._gallery.complete, messages))
            ids = self._chat.build(prompt.prefix_ids, messages)
            check_prompt_ids(ids, self.model.vocabulary, self._max_context)
            stops = tuple(sorted({*self._eos_ids, *prompt.sampling.stop_token_ids}))
            return Request(ids, prompt.sampling, prompt.seed, stops, self._sight(ids, pictures))
        except FarfieldError as error:
            return error
        except Exception:  # whatever a model's own processor may raise is this prompt's alone
            log.exception("a prompt could not be read")
            return PluginFailure("the model's processor failed on this prompt; the service's log has more")

    def _sight_in(self, item: Forced) -> Seen:
        try:
            return self._sight(item.prompt_ids, self._look(item.images))
        except FarfieldError as error:
            return error

    def _look(self, images: Sequence[ImageFile]) -> list[Picture]:
        if not images:
            return []
        if self._gallery is None:
            raise FailedPrecondition("this model takes no images (capabilities.images is false)")
        return self._gallery.pictures(images)

    def _sight(self, ids: Sequence[int], pictures: Sequence[Picture]) -> Sight | None:
        vision = self.model.vision
        if vision is None or not (pictures or vision.image_token in ids):
            return None
        return sight_of(ids, pictures, vision, self.model.module, self.model.vocabulary)
