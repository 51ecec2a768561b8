"""Our environments as Gymnasium's, over gRPC. Needs the extra `client`.

env = gymnasium.make("farfield_gymnasium.client:Farfield-v0", name="generalpoints",
                     environment="127.0.0.1:50051", verifier="127.0.0.1:50052")
"""

import gymnasium

from farfield_gymnasium.client.env import FarfieldEnv
from farfield_gymnasium.client.services import ServiceError
from farfield_gymnasium.client.vector import FarfieldVectorEnv

__all__ = ["FarfieldEnv", "FarfieldVectorEnv", "ServiceError"]

if "Farfield-v0" not in gymnasium.registry:
    gymnasium.register(
        "Farfield-v0",
        entry_point=f"{__name__}:FarfieldEnv",
        vector_entry_point=f"{__name__}:FarfieldVectorEnv",
    )
