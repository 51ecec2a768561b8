"""Runs of trainers: their files, their folders, and the commands that steer them."""
