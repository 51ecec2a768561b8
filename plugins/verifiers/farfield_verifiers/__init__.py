"""Tasksets of the library `verifiers`: rows as an environment, reward functions as a verifier.

The library alone imports what it needs, and is imported when the first task is asked for.
"""
