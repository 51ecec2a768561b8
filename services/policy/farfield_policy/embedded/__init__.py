"""The embedded engine: torch in this process."""
