"""Several runs played on one stack: which comes next, where, and how far all are."""
