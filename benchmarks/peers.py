"""Virtual environments of the peers that benchmarks run beside Farfield, one each in `.peers/NAME`.

    python -m benchmarks.peers [NAME ...]

makes those that are named (all, without a name) and are not there yet. What both sides use (grpcio, protobuf,
uvloop) has the version of constraints.txt, so that a ratio tells of the peer's own code.
"""

import shutil
import subprocess
import sys

from benchmarks.places import ROOT

PEERS = ROOT / ".peers"
REQUIREMENTS = {
    "openenv": ("openenv==0.10.0", "uvloop==0.23.0"),
    "dm_env_rpc": (
        "dm-env-rpc==1.1.7",
        "grpcio==1.85.1",
        "protobuf==7.36.2",
        "pydantic==2.14.4",
        "pillow==13.0.0",
    ),
    "atropos": ("atroposlib==0.4.0",),
    "trl": ("torch==2.13.0", "transformers==5.24.0", "trl==1.16.0"),
}


def interpreter(name: str) -> str | None:
    """The peer's Python; where it is absent, None, and a line that says how to get it."""
    if not is_ready(name):
        print(f"without {name}: make it with `python -m benchmarks.peers {name}`", file=sys.stderr)
        return None
    return str(PEERS / name / "bin" / "python")


def is_ready(name: str) -> bool:
    """Whether all that the table names is installed."""
    marker = PEERS / name / "requirements.txt"
    return marker.exists() and marker.read_text() == contents(name)


def make(name: str) -> None:
    """A new virtual environment with the peer's requirements; raises `CalledProcessError` where pip fails."""
    folder = PEERS / name
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    pip = [folder / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, *REQUIREMENTS[name]], check=True)
    (folder / "requirements.txt").write_text(contents(name))


def contents(name: str) -> str:
    return "\n".join(REQUIREMENTS[name]) + "\n"


def main() -> None:
    names = sys.argv[1:] or list(REQUIREMENTS)
    if unknown := set(names) - set(REQUIREMENTS):
        sys.exit(f"no such peer: {', '.join(sorted(unknown))}; there are {', '.join(REQUIREMENTS)}")
    for name in names:
        if not is_ready(name):
            print(f"==> {PEERS.name}/{name}: {' '.join(REQUIREMENTS[name])}", flush=True)
            make(name)


if __name__ == "__main__":
    main()
