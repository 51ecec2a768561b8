"""The local stack: its programs, who watches them, and the commands that start and stop them."""
