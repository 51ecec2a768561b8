"""The tiny model of the demo, in words alone."""
