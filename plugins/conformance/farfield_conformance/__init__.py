"""Checks that an environment or a verifier keeps its contract. They speak gRPC to a running service, so that
a plugin in any language is checked by the same code."""

from farfield_conformance.check import (
    Check,
    Failed,
    Level,
    Skipped,
    environment_check,
    expect,
    verifier_check,
)

__all__ = ["Check", "Failed", "Level", "Skipped", "environment_check", "expect", "verifier_check"]
