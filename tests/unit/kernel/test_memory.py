import platform
import subprocess
import sys

import pytest

FAULTS = """
import resource, sys
from farfield.types.v1.types_pb2 import Message
from farfield_kernel import memory

if sys.argv[1] == "kept":
    assert memory.keep()
message = Message()
for _ in range(32):
    message.parts.add().image.data = bytes(60 * 1024)
for _ in range(3):
    message.SerializeToString()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    message.SerializeToString()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(how: str) -> int:
    done = subprocess.run([sys.executable, "-c", FAULTS, how], capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="tells glibc")
def test_large_messages_find_their_memory_again():
    assert faults("kept") < faults("as it is") / 10
