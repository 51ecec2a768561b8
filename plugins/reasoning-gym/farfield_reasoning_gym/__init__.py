"""Reasoning Gym: about a hundred generators of reasoning tasks with their own scorers, as one environment."""

from farfield_reasoning_gym.environment import ReasoningGym
from farfield_reasoning_gym.options import ReasoningGymOptions
from farfield_reasoning_gym.verifier import ReasoningGymVerifier, VerifierOptions

__all__ = ["ReasoningGym", "ReasoningGymOptions", "ReasoningGymVerifier", "VerifierOptions"]
