"""The named suites, as data. What a variant means is the environment's to say; here is what is measured on
which, and under which options.

The experiments are those of arXiv 2501.17161: the rule that a policy was trained on (`id`), a rule that it
never saw (`rule`), a look that it never saw (`look`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from farfield_kernel.errors import InvalidArgument, NotFound

Shift = Literal["id", "rule", "look", "ood", "other"]
"""In what a variant differs from what was trained on; `ood`: the environment does not say in what."""
PromptForm = Literal["compact", "paper"]

LABELS: Mapping[Shift, str] = {
    "id": "ID",
    "rule": "OOD by rule",
    "look": "OOD by look",
    "ood": "OOD",
    "other": "other",
}
ROLES: Mapping[Shift, str] = {"id": "id", "rule": "ood", "look": "ood", "ood": "ood", "other": "other"}
"""The role that an environment gives a variant with this shift."""
LONGEST: Mapping[PromptForm, int] = {"compact": 40, "paper": 512}
"""Tokens of a response by the prompt's form, where a suite does not say otherwise."""


@dataclass(frozen=True, slots=True)
class Part:
    variant: str
    shift: Shift


@dataclass(frozen=True, slots=True)
class Suite:
    name: str
    summary: str
    environment: str
    parts: tuple[Part, ...]
    options: Mapping[str, Any] = field(default_factory=dict)
    """Of the environment, for every part."""
    rewards: Mapping[str, Any] = field(default_factory=dict)
    """Of the verifier, which is named as the environment."""
    longest: Mapping[PromptForm, int] = field(default_factory=lambda: LONGEST)


_CARDS = {"split": "heldout", "max_turns": 5}
_ROUTES = {"split": "heldout", "budget": 2}
_PAPER = {"rewards": "paper"}

SUITES = {
    suite.name: suite
    for suite in (
        Suite(
            "gp-l",
            "GeneralPoints, cards as text; J, Q, K as 10, or as 11, 12, 13",
            "generalpoints",
            (Part("id", "id"), Part("ood", "rule")),
            _CARDS,
            _PAPER,
        ),
        Suite(
            "gp-vl",
            "GeneralPoints, cards as a picture; the other rule, and red suits",
            "generalpoints",
            (Part("vl-id", "id"), Part("vl-ood", "rule"), Part("vl-red", "look")),
            _CARDS,
            _PAPER,
            {"compact": 48, "paper": 512},
        ),
        Suite(
            "virl-l",
            "V-IRL navigation as text; compass turns, or left and right",
            "virl",
            (Part("id", "id"), Part("ood_rule", "rule"), Part("ood_city", "other")),
            _ROUTES,
            _PAPER,
        ),
        Suite(
            "virl-vl",
            "V-IRL navigation in street views; left and right, and cities of another look",
            "virl",
            (Part("id_views", "id"), Part("ood_rule_views", "rule"), Part("ood_look", "look")),
            _ROUTES,
            _PAPER,
        ),
    )
}


def named(name: str) -> Suite:
    if name not in SUITES:
        raise NotFound(f"no suite '{name}'; there are {', '.join(SUITES)} (`farfield eval --list`)")
    return SUITES[name]


def some_of(suite: Suite, variants: tuple[str, ...]) -> Suite:
    """The suite with these variants alone; all where none is named."""
    known = {part.variant: part for part in suite.parts}
    if unknown := [name for name in variants if name not in known]:
        raise InvalidArgument(f"suite {suite.name} has no variant '{unknown[0]}'; it has {', '.join(known)}")
    parts = tuple(known[name] for name in variants) or suite.parts
    return replace(suite, parts=parts)
