"""What a run left in its folder, as its trainer wrote it: reports, summary, episodes to read."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from farfield_cli.report.points import CurvePoint, Point, binomial
from farfield_cli.report.tokens import Decode, decoder
from farfield_kernel.errors import DataLoss, NotFound

Json = dict[str, Any]


@dataclass(frozen=True)
class RunFolder:
    """One run's folder."""

    path: Path

    @classmethod
    def at(cls, path: Path) -> "RunFolder":
        if not (path / "run.json").is_file():
            raise NotFound(f"{path} is no run: it has no run.json")
        return cls(path)

    @cached_property
    def record(self) -> Json:
        return _read(self.path / "run.json")

    @property
    def config(self) -> Json:
        return dict(self.record["config"])

    @cached_property
    def summary(self) -> Json:
        """What the trainer summed up at the end; empty while the run is not over."""
        path = self.path / "summary.json"
        return _read(path) if path.exists() else {}

    @cached_property
    def reports(self) -> list[Json]:
        path = self.path / "reports.jsonl"
        if not path.exists():
            return []
        lines = path.read_text().splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.endswith("\n")]

    @property
    def evaluations(self) -> list[Json]:
        return [report for report in self.reports if report["kind"] == "eval"]

    @property
    def suites(self) -> list[str]:
        return list(self.config["evaluation"]["suites"])

    def curve(self, suite: str) -> list[CurvePoint]:
        """Success along training. Compute without what went into the base, which every branch shares."""
        points = {one["update"]: curve_point(one) for one in self.evaluations if one["suite"] == suite}
        return [points[update] for update in sorted(points)]

    def last(self, suite: str) -> Point:
        curve = self.curve(suite)
        if not curve:
            raise NotFound(f"{self.path} has no evaluation of suite '{suite}'")
        return curve[-1].point

    def last_metrics(self, suite: str) -> Json:
        """Of the suite's last evaluation; empty where there is none."""
        found = [report for report in self.evaluations if report["suite"] == suite]
        return dict(found[-1]["metrics"]) if found else {}

    def decoder(self) -> Decode | None:
        """By the tokenizer of its weights, or of the base that they began as."""
        weights = sorted((self.path / "weights").glob("*"), reverse=True)
        return decoder([*weights, Path(str(self.config.get("base", self.path)))])

    def pictures(self) -> Iterator[Path]:
        """Files of the images that kept episodes show, named by digest."""
        return (self.path / "episodes" / "blobs").glob("*.*")

    def kept(self) -> Iterator[tuple[str, int, Path]]:
        """Suite, version and file of the episodes that were kept to be read."""
        for path in sorted((self.path / "episodes").glob("*/*.json")):
            if path.stem.isdigit():
                yield path.parent.name, int(path.stem), path

    def episodes(self) -> Iterator[tuple[str, int, list[Json]]]:
        """Suite, version and the episodes themselves."""
        for suite, version, path in self.kept():
            yield suite, version, json.loads(path.read_text())


def curve_point(report: Json) -> CurvePoint:
    metrics = report["metrics"]
    return CurvePoint(report["update"], trained_compute(metrics), point_of(metrics))


def point_of(metrics: Json) -> Point:
    return binomial(metrics["success"], int(metrics["episodes"]))


def trained_compute(metrics: Json) -> float:
    """FLOPs since the base: X - 6 N D_init of PAPER §1, from the counts of tokens that X is made of."""
    total, spent = metrics["compute"], metrics["tokens_init"] + metrics["tokens_train"]
    weighed = 6 * spent + 2 * metrics["tokens_buffer"]
    return total * (1 - 6 * metrics["tokens_init"] / weighed) if weighed else 0.0


def _read(path: Path) -> Json:
    try:
        return dict(json.loads(path.read_text()))
    except ValueError as error:
        raise DataLoss(f"{path} is torn: {error}") from None
