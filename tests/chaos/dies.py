"""Runs a service that kills itself at a given moment of its next checkpoint: `dies.py FILE MODULE ARGUMENT…`.

FILE is read before a checkpoint is begun. "checkpoint": SIGKILL at the renaming that would make it whole.
"acknowledge": SIGKILL as soon as it is whole, before its trajectories can have been acknowledged. The service
itself is not touched: Python's audit events tell when it makes and renames folders.
"""

import os
import runpy
import signal
import sys
import threading
from pathlib import Path


def armed(file: Path) -> str:
    try:
        return file.read_text()
    except FileNotFoundError:
        return ""


def die(file: Path) -> None:
    file.unlink(missing_ok=True)
    os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    file, module, *words = sys.argv[1:]
    order = Path(file)

    def die_once_there(target: Path) -> None:
        while not target.exists():
            pass
        die(order)

    def hook(event: str, given: tuple) -> None:
        if event != "os.rename" or "checkpoints" not in str(given[1]):
            return
        moment = armed(order)
        if moment == "checkpoint":
            die(order)
        elif moment == "acknowledge":
            threading.Thread(target=die_once_there, args=(Path(given[1]),), daemon=True).start()

    sys.addaudithook(hook)
    sys.argv = [module, *words]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
