"""What Farfield needs of the Kubernetes API: lists, watches, logs of pods, and their ports."""
