"""The queue: its contract, and its implementations in Redis and in memory."""
