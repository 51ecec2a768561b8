"""The verifier service: hosts rewards over gRPC."""
