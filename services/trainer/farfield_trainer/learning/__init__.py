"""The mathematics: from trajectories and demonstrations to gradients. Knows no queue and no service."""
