"""`farfield report`: pages and figures of runs, and what they are drawn with."""
