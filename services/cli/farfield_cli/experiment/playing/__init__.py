"""Playing the runs of an experiment on one machine."""
