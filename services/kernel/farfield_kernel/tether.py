"""Runs a command that dies with its parent: `python tether.py PARENT_PID COMMAND…`.

A script of its own, not a `preexec_fn`: those run between fork and exec, where a parent with threads (gRPC
has some) can leave a lock held for ever.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    parent, command = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            sys.exit("the parent is gone")
    os.execvp(command[0], command)  # noqa: S606 - the command is what the supervisor was given


if __name__ == "__main__":
    main()
