"""The facade: clients of OpenEnv play environments of Farfield, with rewards from its verifiers."""
