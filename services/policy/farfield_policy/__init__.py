"""The policy service: token-exact generation behind one contract."""
