"""How services are called."""

from collections.abc import Callable

from farfield_cli.secure import command
from farfield_cli.stack.record import StackRecord
from farfield_kernel.client import ClientConfig


def way_to(where: str | ClientConfig) -> ClientConfig:
    """How a service is called; of an address alone, as on this machine."""
    return ClientConfig(address=where) if isinstance(where, str) else where


def ways_of(stack: StackRecord) -> Callable[[str], ClientConfig]:
    """How what listens at an address is called from outside of a stack: its processes are known by their
    certificates where it is a secure one; others as on this machine."""
    if stack.keys is None:
        return way_to
    keys = command.read(stack.keys)
    names = {program.address: program.name for program in stack.programs if program.address}
    return lambda address: keys.way(names[address], address) if address in names else way_to(address)
