"""What an experiment is: its file, read at one scale, and the runs that come of it."""
