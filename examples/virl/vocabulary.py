"""The words of the V-IRL base: the compact form of the environment."""

from tiny_models.words import MARKS

from farfield_virl.words import COMPACT_WORDS

WORDS = (*MARKS, *COMPACT_WORDS)
LONGEST = 512
"""Tokens of a conversation."""
