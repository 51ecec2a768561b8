"""What people read of an experiment."""
