"""`farfield play` and `farfield env`: environments in the hands of a person."""
