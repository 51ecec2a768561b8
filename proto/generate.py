"""Generates the Python code of the contracts beside their .proto files, and guards the contracts.

python proto/generate.py            writes the generated code
python proto/generate.py --check    fails on drift, on lint, or where a contract breaks the released one
python proto/generate.py --release  also makes the present contracts the released ones
"""

import argparse
import filecmp
import subprocess
import sys
import tempfile
from pathlib import Path

import grpc_tools
from google.rpc import status_pb2
from grpc_tools import protoc

HERE = Path(__file__).resolve().parent
RELEASED = HERE / "released.binpb"


def sources() -> list[str]:
    return sorted(str(path.relative_to(HERE)) for path in HERE.glob("farfield/*/v1/*.proto"))


def compile_contracts(*outputs: str) -> None:
    include = Path(grpc_tools.__file__).parent / "_proto"
    googleapis = Path(status_pb2.__file__).parent.parent.parent
    paths = [f"--proto_path={path}" for path in (HERE, include, googleapis)]
    if protoc.main(["protoc", *paths, *outputs, *sources()]) != 0:
        sys.exit("the contracts do not compile; see the messages above")


def generate(target: Path) -> None:
    plugins = ("python", "grpc_python", "mypy", "mypy_grpc")
    compile_contracts(
        *(f"--{plugin}_out={'quiet:' if plugin.startswith('mypy') else ''}{target}" for plugin in plugins)
    )
    for folder in (target / "farfield", *target.glob("farfield/*"), *target.glob("farfield/*/v1")):
        if folder.is_dir():
            (folder / "__init__.py").touch()


def image(path: Path) -> None:
    """A descriptor image of the contracts with their imports, for buf."""
    compile_contracts("--include_imports", "--include_source_info", f"--descriptor_set_out={path}")


def generated(root: Path) -> dict[str, Path]:
    names = (*root.glob("farfield/**/*.py"), *root.glob("farfield/**/*.pyi"))
    return {str(path.relative_to(root)): path for path in names}


def drift(fresh: Path) -> list[str]:
    made, kept = generated(fresh), generated(HERE)
    changed = [n for n in made.keys() & kept.keys() if not filecmp.cmp(made[n], kept[n], shallow=False)]
    return sorted([*changed, *(made.keys() ^ kept.keys())])


def buf(*arguments: str) -> None:
    command = ["buf", *arguments, "--config", str(HERE / "buf.yaml")]
    if subprocess.run(command, cwd=HERE, check=False).returncode != 0:  # noqa: S603
        sys.exit(f"`{' '.join(command)}` found the faults above")


def check() -> None:
    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder))
        if names := drift(Path(folder)):
            sys.exit(
                "generated code is not that of the contracts; run `make proto`:\n  " + "\n  ".join(names)
            )
        present = Path(folder) / "present.binpb"
        image(present)
        buf("lint", str(present), *(f"--path={source}" for source in sources()))
        buf("breaking", str(present), "--against", str(RELEASED))
    print(f"contracts: {len(sources())} files in shape, compatible with the released ones, code up to date")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--release", action="store_true")
    arguments = parser.parse_args()
    if arguments.check:
        return check()
    generate(HERE)
    if arguments.release:
        image(RELEASED)
    return None


if __name__ == "__main__":
    main()
