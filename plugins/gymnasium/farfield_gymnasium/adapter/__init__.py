"""Any Gymnasium environment with discrete or small spaces, played in words."""

from farfield_gymnasium.adapter.environment import GymnasiumGame
from farfield_gymnasium.adapter.options import GymnasiumOptions
from farfield_gymnasium.adapter.verifier import GymnasiumVerifier, VerifierOptions

__all__ = ["GymnasiumGame", "GymnasiumOptions", "GymnasiumVerifier", "VerifierOptions"]
