"""Fuzzes one target in this process with atheris: `python -m tests.fuzz.one NAME CASES CORPUS`.

libFuzzer ends the process itself: status 0 when nothing was found; a finding is printed with its input.
"""

import contextlib
import sys
from pathlib import Path

import atheris

OURS = ["farfield_generalpoints", "farfield_virl", "farfield_kernel", "farfield_model", "farfield_trainer"]

with atheris.instrument_imports(include=OURS):
    from tests.fuzz.targets import TARGETS


def main() -> None:
    name, cases, corpus = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
    target = TARGETS[name]
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(target.seeds):
        (corpus / f"seed{number}").write_bytes(seed)

    def once(data: bytes) -> None:
        with contextlib.suppress(*target.refuses):
            target.read(data)

    found = f"-artifact_prefix={corpus.parent}/{name}-"
    limits = ["-max_len=4096", "-timeout=10", "-rss_limit_mb=2048", f"-runs={cases}", "-print_final_stats=1"]
    atheris.Setup([sys.argv[0], str(corpus), found, *limits], once)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
