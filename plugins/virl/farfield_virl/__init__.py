"""V-IRL: follow written directions through streets, in text or in views, under one of two action spaces."""

from farfield_virl.environment import Virl
from farfield_virl.options import VirlOptions
from farfield_virl.verifier import VerifierOptions, VirlVerifier

__all__ = ["VerifierOptions", "Virl", "VirlOptions", "VirlVerifier"]
