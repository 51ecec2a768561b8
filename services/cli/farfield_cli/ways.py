"""How services are called."""

from farfield_kernel.client import ClientConfig


def way_to(where: str | ClientConfig) -> ClientConfig:
    """How a service is called; of an address alone, as on this machine."""
    return ClientConfig(address=where) if isinstance(where, str) else where
