"""Draws a synthetic city as a walker sees it."""
