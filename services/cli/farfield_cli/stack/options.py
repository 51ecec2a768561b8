"""What a local stack is made of."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class StackOptions:
    state: Path = Path(".farfield")
    runs: Path = Path("runs")
    model: Path | None = None
    """The checkpoint that the policies start from. Absent: environment and verifier alone, to be played."""
    lanes: tuple[str, ...] = ("default",)
    workers: int = 1
    """Of each lane."""
    concurrency: int = 128
    """Episodes that a worker plays at once."""
    rows: int | None = None
    """Responses that a policy decodes together. Absent: as many as it is configured to by itself."""
    deterministic: bool = False
    policy_config: Path | None = None
    """Configuration of the policies, in place of the embedded engine with `model`, `rows` and
    `deterministic`."""
    base_port: int | None = None
    secure: bool = False
    """Every link asks for certificates and a token, and Redis for a user of each role."""
    log_level: str = "info"
