"""The environment service: hosts environment plugins over gRPC."""
