"""Experiments by name: a file of one's own, or those of the source tree."""

from pathlib import Path

from farfield_kernel.errors import NotFound

_SOURCE = Path(__file__).resolve().parents[5] / "examples" / "experiments"


def folder() -> Path:
    """Below the working folder, or in the source tree of this package."""
    here = Path("examples/experiments")
    return here if here.is_dir() else _SOURCE


def all_files() -> list[Path]:
    return sorted(folder().glob("*.yaml"))


def find(name: str) -> Path:
    """The file that is called so, or that is at this path."""
    if name.endswith((".yaml", ".yml")) or "/" in name:
        return Path(name)
    path = folder() / f"{name}.yaml"
    if not path.is_file():
        known = ", ".join(one.stem for one in all_files()) or "none"
        raise NotFound(
            f"no experiment '{name}' in {folder()}; there is {known}. A file has its ending: {name}.yaml"
        )
    return path
