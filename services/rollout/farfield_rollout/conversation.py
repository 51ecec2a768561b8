"""The conversation of an episode as the policy sees it: token ids of the past, messages of the new."""

from farfield.environment.v1.environment_pb2 import Observation
from farfield.policy.v1.policy_pb2 import Response
from farfield.types.v1.types_pb2 import ROLE_ASSISTANT, ROLE_USER, Image, Message, Part
from farfield_kernel.errors import DataLoss
from farfield_kernel.images import images_of
from farfield_kernel.wire import ids_in


class Conversation:
    """`prefix_ids` and `messages` make the next prompt.

    With `token_ids` (an engine that takes ids) the prefix is the last prompt and its response exactly as
    they were sampled, `prefix_images` are the images in it, and `messages` are new since then. Without,
    every prompt is the whole conversation as text, which the engine tokenizes again.
    """

    def __init__(self, token_ids: bool) -> None:
        self.prefix_ids = b""
        self.prefix_images: list[Image] = []
        self.messages: list[Message] = []
        self.token_ids = token_ids
        self._past: list[Message] = []

    def prompt(self) -> list[Message]:
        """The messages to send with `prefix_ids`."""
        return self.messages if self.token_ids else [*self._past, *self.messages]

    def images(self) -> list[Image]:
        """Every image of the prompt, by digest."""
        held = [*self.prefix_images, *images_of(self.prompt())]
        return [Image(media_type=image.media_type, sha256=image.sha256) for image in held]

    def answer(self, response: Response) -> bool:
        """Takes the policy's response to `prompt`. Whether its prompt went on with the prefix; DataLoss
        where it should have and did not: training on it would train on ids that nobody sampled."""
        continues = bool(self.prefix_ids) and response.prompt_ids.startswith(self.prefix_ids)
        if self.token_ids:
            if self.prefix_ids and not continues:
                raise DataLoss(
                    f"the engine changed the prompt: it does not begin with the {ids_in(self.prefix_ids)} "
                    "token ids of the conversation so far"
                )
            self.prefix_ids = response.prompt_ids + response.response_ids
            self.prefix_images += images_of(self.messages)
        else:
            said = Message(role=ROLE_ASSISTANT, parts=[Part(text=response.text)])
            self._past += [*self.messages, said]
        self.messages = []
        return continues

    def observe(self, observation: Observation, feedback: str = "") -> None:
        """Adds what the policy sees next: the verifier's feedback, then the environment's messages, as
        one message where both are the user's. A fresh context drops the past and the feedback."""
        new = list(observation.messages)
        if observation.fresh_context:
            self.prefix_ids, self.prefix_images, self._past = b"", [], []
        elif feedback:
            new = _with_feedback(feedback, new)
        self.messages = new


def _with_feedback(feedback: str, messages: list[Message]) -> list[Message]:
    if not messages or messages[0].role != ROLE_USER:
        return [Message(role=ROLE_USER, parts=[Part(text=feedback)]), *messages]
    parted = feedback if feedback[-1].isspace() else feedback + "\n"
    merged = Message(role=ROLE_USER, parts=[Part(text=parted), *messages[0].parts])
    return [merged, *messages[1:]]
