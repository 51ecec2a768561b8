"""The result of an evaluation, and `eval.json`, the file that holds all of it.

schema        1
suite         name; `summary` in words
created       ISO 8601, UTC
seconds       wall time of the play
settings      what was asked for (`settings.Settings`)
prompt        "compact" or "paper", as resolved; null where the environment has no such option
sampling      as resolved: temperature, max_new_tokens
reward        the RewardPlan, as JSON of protobuf
policy        engine, parameters, vocabulary, images, weights {run_id, version, digest}; of a checkpoint
              also `model`, its folder, and `fingerprint`, SHA-256 over the names and sums of its files
environment   name, version, distribution
verifier      the same
versions      farfield and python
variants      by name:
    shift       "id", "rule", "look", "ood" or "other"
    options     of the environment, laid over the variant's own
    episodes    planned
    failed      failed episodes by class; they are in no figure
    measures    by name, {value, stderr, n}: success, step_accuracy, recognition (where something is to be
                recognised), turns, reward, and where revision is blind those of
                `farfield_kernel.corrections`. n: episodes. Errors of shares of episodes are
                sqrt(p (1 - p) / n), of step_accuracy and recognition clustered by episode, of means
                sd / sqrt(n)
    outcomes    one for each episode: index, success, turns, right (turns that were), seen (turns that
                recognised rightly), reward, and where revision is blind `correct` of each attempt and
                `same` of each but the first; or index, failure and detail. The index names the episode:
                at the same seed the same start
differences   ID minus each other variant: {from, to, measure, value, stderr}, as of independent samples
"""

import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from google.protobuf import json_format

from farfield.trajectory.v1.trajectory_pb2 import Trajectory
from farfield_cli.evaluation.cast import Cast
from farfield_cli.evaluation.outcomes import Outcome, failures, measured
from farfield_cli.evaluation.plan import EvalPlan
from farfield_cli.evaluation.settings import Settings
from farfield_cli.evaluation.suites import Shift
from farfield_kernel.corrections import MEASURES
from farfield_kernel.errors import DataLoss, InvalidArgument, NotFound
from farfield_kernel.estimates import Estimate, difference
from farfield_kernel.wire import struct_to_dict

Json = dict[str, Any]
SCHEMA = 1
SHARES = ("success", "step_accuracy", "recognition")
"""Measures that are shares; differences are taken of them."""
PERCENT = (*SHARES, *MEASURES)
"""Measures that people read in percent."""


@dataclass(frozen=True, slots=True)
class VariantResult:
    shift: Shift
    outcomes: tuple[Outcome, ...]

    @property
    def measures(self) -> dict[str, Estimate]:
        return measured(self.outcomes)

    @property
    def failed(self) -> dict[str, int]:
        return failures(self.outcomes)


@dataclass(frozen=True, slots=True)
class Difference:
    """`first` minus `second`."""

    first: str
    second: str
    measure: str
    estimate: Estimate


@dataclass(frozen=True, slots=True)
class Result:
    """`about`: everything of the file but the variants and what is made of them."""

    suite: str
    variants: Mapping[str, VariantResult]
    about: Json

    @property
    def differences(self) -> list[Difference]:
        """ID minus each other variant, of the shares that both have."""
        measures = {name: one.measures for name, one in self.variants.items()}
        home = next((name for name, one in self.variants.items() if one.shift == "id"), None)
        if home is None:
            return []
        return [
            Difference(home, name, measure, difference(measures[home][measure], theirs[measure]))
            for name, theirs in measures.items()
            if name != home
            for measure in SHARES
            if all(measure in found and found[measure].n for found in (measures[home], theirs))
        ]

    def data(self) -> Json:
        options = self.about["options"]
        return {
            "schema": SCHEMA,
            **{name: value for name, value in self.about.items() if name != "options"},
            "variants": {name: _variant(one, options[name]) for name, one in self.variants.items()},
            "differences": [
                {"from": one.first, "to": one.second, "measure": one.measure, **_figures(one.estimate)}
                for one in self.differences
            ],
        }


def _variant(one: VariantResult, options: Json) -> Json:
    return {
        "shift": one.shift,
        "options": options,
        "episodes": len(one.outcomes),
        "failed": one.failed,
        "measures": {name: _figures(estimate) for name, estimate in one.measures.items()},
        "outcomes": [outcome.data() for outcome in one.outcomes],
    }


def _figures(estimate: Estimate) -> Json:
    return {name: round(value, 6) for name, value in asdict(estimate).items()}


def result_of(plan: EvalPlan, trajectories: Sequence[Trajectory], about: Json) -> Result:
    by_variant: dict[str, list[Outcome]] = {variant: [] for variant in plan.environments}
    for trajectory in trajectories:
        by_variant[trajectory.spec.suite].append(Outcome.of(trajectory))
    variants = {
        part.variant: VariantResult(part.shift, tuple(by_variant[part.variant])) for part in plan.suite.parts
    }
    return Result(plan.suite.name, variants, about)


def about(settings: Settings, plan: EvalPlan, cast: Cast, checkpoint: Json, seconds: float) -> Json:
    """Where the figures come from. `checkpoint`: of the policy, where it was started for this."""
    return {
        "suite": plan.suite.name,
        "summary": plan.suite.summary,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(seconds, 1),
        "settings": settings.model_dump(mode="json"),
        "prompt": plan.prompt,
        "sampling": {
            "temperature": settings.temperature,
            "max_new_tokens": plan.sampling.max_new_tokens,
        },
        "reward": json_format.MessageToDict(plan.reward),
        "policy": _policy(cast) | checkpoint,
        "environment": _plugin(cast.environment),
        "verifier": _plugin(cast.verifier),
        "versions": {"farfield": version("farfield"), "python": platform.python_version()},
        "options": {variant: struct_to_dict(ref.options) for variant, ref in plan.environments.items()},
    }


def _policy(cast: Cast) -> Json:
    policy, weights = cast.policy, cast.policy.weights
    return {
        "engine": policy.engine,
        "parameters": policy.parameters,
        "vocabulary": policy.vocabulary,
        "images": policy.capabilities.images,
        "weights": {"run_id": weights.run_id, "version": weights.version, "digest": weights.digest},
    }


def _plugin(info: Any) -> Json:
    return {"name": info.name, "version": info.version, "distribution": info.distribution}


def read(path: Path) -> Result:
    """The result in a folder, or in its eval.json."""
    file = path / "eval.json" if path.is_dir() else path
    if not file.is_file():
        raise NotFound(f"no evaluation at {path}; `farfield eval` writes an eval.json")
    try:
        data = json.loads(file.read_text())
        if data["schema"] != SCHEMA:
            raise InvalidArgument(f"{file} has schema {data['schema']}; this farfield reads {SCHEMA}")
        variants = {
            name: VariantResult(one["shift"], tuple(map(Outcome.of_data, one["outcomes"])))
            for name, one in data["variants"].items()
        }
        derived = ("schema", "variants", "differences")
        kept = {name: value for name, value in data.items() if name not in derived}
        kept["options"] = {name: one["options"] for name, one in data["variants"].items()}
        return Result(data["suite"], variants, kept)
    except (ValueError, KeyError, TypeError) as error:
        raise DataLoss(f"{file} is no evaluation: {error!r}") from None
