"""Pictures in a terminal: the protocols that terminals have for them, coloured blocks, or a file."""
