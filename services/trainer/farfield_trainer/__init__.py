"""The trainer: SFT, PPO, GRPO and friends over committed trajectories."""
