import multiprocessing
import os
import signal
from pathlib import Path

import pytest
from sample_crews import crew_of, rl_run


def test_a_rank_that_hangs_is_found_by_the_timeout() -> None:
    with pytest.raises(RuntimeError, match=r"[Tt]ime"):
        tell_one_that_is_stopped()


def tell_one_that_is_stopped() -> None:
    with crew_of(2, "ddp", timeout_seconds=1.5) as crew:
        (other,) = multiprocessing.active_children()
        os.kill(other.pid or 0, signal.SIGSTOP)
        try:
            crew.open(rl_run(Path("base")))
        finally:
            other.kill()
