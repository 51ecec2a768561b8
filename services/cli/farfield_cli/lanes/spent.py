"""What a set of runs has cost, over all the times that it was started."""

from dataclasses import asdict, dataclass, field

from farfield_cli.runs.run_folder import Json
from farfield_cli.stack.stack import Stack


@dataclass(slots=True)
class Spent:
    seconds: float = 0.0
    memory: Json = field(default_factory=lambda: {"peak_bytes": 0, "peak_by_process": {}})
    restarts: dict[str, int] = field(default_factory=dict)
    """Of programs that died and were started again."""

    def add(self, stack: Stack, seconds: float) -> None:
        self.seconds += seconds
        if stack.memory.peak > self.memory["peak_bytes"]:
            self.memory = stack.memory.summary()
        for name, count in stack.restarts().items():
            self.restarts[name] = self.restarts.get(name, 0) + count

    def data(self) -> Json:
        return asdict(self)
