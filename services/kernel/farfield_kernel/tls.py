"""TLS and bearer tokens, from files that the deployment mounts."""

from pathlib import Path

import grpc

from farfield_kernel.config import Config


class TlsConfig(Config):
    """Certificates of one end. With `ca` both ends prove themselves (mTLS)."""

    certificate: Path | None = None
    """PEM chain of this end. A server needs one; a client only for mTLS."""
    key: Path | None = None
    """PEM private key of this end."""
    ca: Path | None = None
    """PEM of the authority that must have signed the other end."""
    server_name: str = ""
    """Name to expect in the server's certificate, when it is not the address."""

    def _pair(self) -> tuple[bytes | None, bytes | None]:
        if not (self.certificate and self.key):
            return None, None
        return self.key.read_bytes(), self.certificate.read_bytes()

    def server_credentials(self) -> grpc.ServerCredentials:
        key, chain = self._pair()
        if key is None or chain is None:
            raise ValueError("a TLS server needs both tls.certificate and tls.key")
        roots = self.ca.read_bytes() if self.ca else None
        return grpc.ssl_server_credentials([(key, chain)], roots, require_client_auth=roots is not None)

    def channel_credentials(self) -> grpc.ChannelCredentials:
        key, chain = self._pair()
        return grpc.ssl_channel_credentials(self.ca.read_bytes() if self.ca else None, key, chain)
