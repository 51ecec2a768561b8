from collections.abc import Iterator

import pytest
from sample_crews import crew_of

from farfield_trainer.parallel.crew import Crew


@pytest.fixture(scope="module", params=["ddp", "fsdp2"])
def pair(request: pytest.FixtureRequest) -> Iterator[Crew]:
    """Two ranks, for all examples of a module."""
    with crew_of(2, request.param) as crew:
        yield crew
