"""Checks of a verifier."""
