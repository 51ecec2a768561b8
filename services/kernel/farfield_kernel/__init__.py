"""What every Farfield service shares: config, logs, errors, gRPC, metrics, plugins and the queue."""
