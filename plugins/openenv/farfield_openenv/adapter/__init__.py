"""The adapter: an OpenEnv environment as an environment of Farfield, and its reward as a verifier."""
