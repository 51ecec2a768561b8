"""`farfield plugin`: plugins made, listed and checked."""
