"""Where published weights are kept: a folder, or an object store."""
