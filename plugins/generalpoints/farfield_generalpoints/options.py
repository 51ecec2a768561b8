"""Options of the environment, and the checks that need the solver."""

from collections.abc import Iterator
from itertools import combinations_with_replacement
from typing import Literal

from pydantic import Field, model_validator

from farfield_generalpoints.answers import PromptForm
from farfield_generalpoints.cards import (
    HAND_SIZE,
    HIGHEST_DRAWN,
    RULES,
    Deal,
    Rule,
    SuitsName,
    held_out,
    rank_values,
)
from farfield_generalpoints.colours import Palette, PaletteName
from farfield_generalpoints.solver import Values, solvable
from farfield_generalpoints.table import LARGEST, SMALLEST, WIDTH
from farfield_sdk import Options, Revision, Split


class FaceValues(Options):
    """A rule of one's own: what each face card counts as."""

    J: int = Field(ge=1, le=99, description="Value of a jack.")
    Q: int = Field(ge=1, le=99, description="Value of a queen.")
    K: int = Field(ge=1, le=99, description="Value of a king.")


class GeneralPointsOptions(Options):
    """How hands are dealt, valued, shown and judged."""

    target: int = Field(24, ge=1, le=1000, description="The value that a formula must reach.")
    faces: Literal["ten", "rank", "varied"] | FaceValues = Field(
        "ten",
        description="The rule for J, Q, K: `ten` (each counts 10), `rank` (11, 12, 13), `varied` (values "
        "from 1 to 13 drawn anew for each hand, never those of `ten` or `rank`), or a mapping with a value "
        "for each.",
    )
    deal: Deal = Field(
        "uniform",
        description="`uniform`: four cards of any rank; `face`: three of any rank and one of "
        "J, Q, K, shuffled.",
    )
    split: Split = Field(
        "all",
        description="Which hands are dealt. About one in five sets of values is held out by a "
        "hash: `train` never deals those, `heldout` deals no others.",
    )
    max_turns: int = Field(
        5, ge=1, le=100, description="Verification budget: attempts before the episode is cut off."
    )
    revision: Revision = Field(
        "verifier",
        description="`verifier`: what is wrong is said, and a right answer ends the episode; `blind`: "
        "`max_turns` attempts in every episode, each followed by a request for a correction that reveals "
        "nothing, and the last one decides.",
    )
    prompt: PromptForm = Field(
        "paper",
        description="`paper`: full sentences and a JSON answer; `compact`: a few words for small models.",
    )
    modality: Literal["text", "image"] = Field(
        "text",
        description="Cards as text, or as a picture alone: the policy must then recognise them.",
    )
    image_height: int = Field(
        240,
        ge=SMALLEST,
        le=LARGEST,
        description=f"Height of the picture in pixels; it is {WIDTH} times as wide.",
    )
    suits: SuitsName = Field(
        "all",
        description="Which suits are dealt: `all`, `black` (spades, clubs) or `red` (hearts, diamonds).",
    )
    colours: PaletteName | Palette = Field(
        "black",
        description="What the suits are painted with: `black` (all of them), `red` (all of them), `standard` "
        "(spades and clubs black, hearts and diamonds red), or a mapping with a colour for each suit, such "
        "as `#0050a0`.",
    )

    @property
    def face_values(self) -> Rule | None:
        """What J, Q and K count as; None where each hand has a rule of its own."""
        if isinstance(self.faces, str):
            return RULES.get(self.faces)
        return self.faces.J, self.faces.Q, self.faces.K

    def deals(self, values: Values) -> bool:
        """Whether a hand with these sorted values belongs to the split and has a solution."""
        if self.split != "all" and held_out(values) != (self.split == "heldout"):
            return False
        return solvable(values, self.target)

    @model_validator(mode="after")
    def _some_hand_is_dealt(self) -> "GeneralPointsOptions":
        if not any(map(self.deals, self._possible_hands())):
            raise ValueError(
                f"no hand of the split {self.split!r} reaches the target {self.target} with "
                f"J, Q, K = {self.face_values or self.faces}: choose another target, rule or split"
            )
        return self

    def _possible_hands(self) -> Iterator[Values]:
        rule = self.face_values
        values = rank_values(rule)[1:] if rule else range(1, HIGHEST_DRAWN + 1)
        if rule is None or self.deal == "uniform":
            yield from map(_sorted, combinations_with_replacement(values, HAND_SIZE))
        else:
            others = combinations_with_replacement(values, HAND_SIZE - 1)
            yield from (_sorted((*hand, face)) for hand in others for face in rule)


def _sorted(values: Values) -> Values:
    return tuple(sorted(values))
