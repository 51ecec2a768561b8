"""The rollout worker: plays planned episodes and commits trajectories."""
