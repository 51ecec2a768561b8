"""Results as evaluations have them."""

from collections.abc import Callable

import pytest

from farfield_cli.evaluation.outcomes import Outcome
from farfield_cli.evaluation.result import Result, VariantResult

ABOUT = {
    "suite": "gp-l",
    "summary": "cards",
    "created": "2026-01-01T00:00:00+00:00",
    "seconds": 2.5,
    "settings": {"suite": "gp-l", "episodes": 4, "seed": 0},
    "prompt": "compact",
    "sampling": {"temperature": 1.0, "max_new_tokens": 40},
    "reward": {"leaf": {"verifier": "generalpoints"}},
    "policy": {
        "engine": "torch",
        "parameters": 870_000,
        "model": "/models/tiny",
        "fingerprint": "f00d",
        "weights": {"run_id": "", "version": 0, "digest": ""},
    },
    "environment": {"name": "generalpoints", "version": "1.0.0"},
    "verifier": {"name": "generalpoints", "version": "1.0.0"},
    "versions": {"farfield": "0.1.0", "python": "3.12"},
    "options": {"id": {"split": "heldout"}, "ood": {"split": "heldout"}},
}


def outcome(index: int, letter: str) -> Outcome:
    if letter == "x":
        return Outcome.of_data({"index": index, "failure": "environment", "detail": "gone"})
    solved = letter == "1"
    return Outcome(index, solved, turns=1, right=int(solved), seen=None, reward=5.0 if solved else -1.0)


@pytest.fixture
def make_result() -> Callable[..., Result]:
    def make(solved: str = "1101", unseen: str = "0010", **about: object) -> Result:
        """A letter an episode: 1 solved, 0 not, x failed."""

        def variant(letters: str) -> tuple[Outcome, ...]:
            return tuple(outcome(index, letter) for index, letter in enumerate(letters))

        variants = {"id": VariantResult("id", variant(solved)), "ood": VariantResult("rule", variant(unseen))}
        return Result("gp-l", variants, ABOUT | about)

    return make
