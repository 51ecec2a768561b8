"""What every store of weights does. A version is there whole or not at all: its manifest comes last and goes
first."""

from typing import Protocol

from farfield_kernel.weights import Weights


class WeightStore(Protocol):
    """The versions of one run."""

    def put(self, sealed: Weights) -> Weights:
        """Takes in a sealed local folder, which may be gone afterwards. The same content again changes
        nothing; other content replaces the version. The answer's `path` is where it can be read."""
        ...

    def find(self, version: int) -> Weights:
        """A version put before; NotFound when it is gone, DataLoss when it is torn."""
        ...

    def versions(self) -> list[int]:
        """In order; one that is being put or removed may be among them."""
        ...

    def remove(self, version: int) -> None:
        """A version that is not there is no error."""
        ...
