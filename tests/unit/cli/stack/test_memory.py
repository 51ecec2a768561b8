import os
import subprocess
import sys

from farfield_cli.stack.memory import Meter, resident

PARENT = """
import subprocess, sys
code = "held = bytearray(60_000_000); print('holding', flush=True); input()"
child = subprocess.Popen([sys.executable, "-S", "-c", code], stdin=subprocess.PIPE)
input()
child.kill()
"""


def test_what_a_child_holds_counts() -> None:
    process = subprocess.Popen(
        [sys.executable, "-S", "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout
        assert process.stdout.readline() == "holding\n"
        held = resident(process.pid)
        process.communicate("\n")
    assert held > 60_000_000
    assert resident(process.pid) == 0


def test_the_peak_is_kept_with_who_held_it() -> None:
    present = [("one", os.getpid())]
    meter = Meter(lambda: present)
    meter.read()
    peak = meter.peak
    present.clear()
    meter.read()
    assert meter.now == 0
    assert meter.summary() == {"peak_bytes": peak, "peak_by_process": {"one": peak}}
