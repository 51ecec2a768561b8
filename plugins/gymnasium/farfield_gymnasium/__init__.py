"""Gymnasium, both ways: `adapter` plays its environments as one of ours, `client` ours as one of its."""
