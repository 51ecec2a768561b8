"""Commands against a cluster: which one, what is there, and how it is reached from here."""
