"""All fuzz targets, and every method of every service: `python -m tests.fuzz.run --cases 1000000`."""

import argparse
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.fuzz.targets import TARGETS

_EXECUTED = re.compile(r"number_of_executed_units:\s*(\d+)")


@dataclass(frozen=True, slots=True)
class Outcome:
    target: str
    cases: int
    corpus: int
    finding: str
    """The end of what the fuzzer said, where it found something."""


def fuzz(name: str, cases: int, out: Path) -> Outcome:
    corpus = out / name / "corpus"
    command = [sys.executable, "-m", "tests.fuzz.one", name, str(cases), str(corpus)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=dict(os.environ))
    executed = _EXECUTED.search(done.stderr)
    finding = "" if done.returncode == 0 else (done.stdout + done.stderr)[-2000:]
    files = len(list(corpus.iterdir())) if corpus.is_dir() else 0
    return Outcome(name, int(executed[1]) if executed else 0, files, finding)


def parsers(cases: int, out: Path, at_once: int) -> Iterator[Outcome]:
    share = -(-cases // len(TARGETS))
    with ThreadPoolExecutor(at_once) as pool:
        yield from pool.map(lambda name: fuzz(name, share, out), TARGETS)


def main() -> int:
    words = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    words.add_argument("--cases", type=int, default=1_000_000)
    words.add_argument("--at-once", type=int, default=2)
    words.add_argument("--out", type=Path, default=Path("runs/fuzz"))
    given = words.parse_args()
    outcomes = []
    for one in parsers(given.cases, given.out, given.at_once):
        outcomes.append(one)
        print(
            f"{one.target:<24} {one.cases:>9,} cases  corpus {one.corpus:>5}  {one.finding or 'ok'}",
            flush=True,
        )
    (given.out / "parsers.json").write_text(json.dumps([asdict(one) for one in outcomes], indent=1))
    print(
        f"{sum(one.cases for one in outcomes):,} cases, {sum(bool(one.finding) for one in outcomes)} findings"
    )
    return any(one.finding for one in outcomes)


if __name__ == "__main__":
    sys.exit(main())
