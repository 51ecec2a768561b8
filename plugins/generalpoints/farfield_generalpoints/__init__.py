"""GeneralPoints: reach a target with four cards, under one rule for the face cards or another."""

from farfield_generalpoints.environment import GeneralPoints
from farfield_generalpoints.options import FaceValues, GeneralPointsOptions
from farfield_generalpoints.verifier import GeneralPointsVerifier, VerifierOptions

__all__ = [
    "FaceValues",
    "GeneralPoints",
    "GeneralPointsOptions",
    "GeneralPointsVerifier",
    "VerifierOptions",
]
