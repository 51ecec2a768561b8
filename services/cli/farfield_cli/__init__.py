"""The farfield command: local stack, demo, runs, evaluation and reports."""
