"""V-IRL for tiny models."""
