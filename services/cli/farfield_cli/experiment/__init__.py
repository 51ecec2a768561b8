"""Experiments: named sets of runs from one file, played on one machine, compared on one compute axis."""
