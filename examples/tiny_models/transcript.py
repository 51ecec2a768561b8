"""A conversation to learn from: words, what each weighs in the loss, and the pictures shown on the way."""

from dataclasses import dataclass, field

from tiny_models.words import END


@dataclass(frozen=True)
class Transcript:
    """Words with their loss weights; `images` are PNG files in the order of their places in the words."""

    words: list[str] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)
    images: list[bytes] = field(default_factory=list)

    def add(self, role: str, text: str, weight: float, images: tuple[bytes, ...] = ()) -> None:
        opening, body = [f"<{role}>"], [*text.split(), END]
        self.words.extend(opening + body)
        self.weights.extend([0.0] * len(opening) + [weight] * len(body))
        self.images.extend(images)
