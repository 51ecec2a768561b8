"""TLS and bearer tokens, from files that the deployment mounts."""

import ssl
from pathlib import Path

import grpc

from farfield_kernel.config import Config

_NEEDS_BOTH = "a TLS server needs both tls.certificate and tls.key"


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
            raise ValueError(_NEEDS_BOTH)
        roots = self.ca.read_bytes() if self.ca else None
        return grpc.ssl_server_credentials([(key, chain)], roots, require_client_auth=roots is not None)

    def server_context(self) -> ssl.SSLContext:
        """For a server of another protocol than gRPC."""
        if not (self.certificate and self.key):
            raise ValueError(_NEEDS_BOTH)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.certificate, self.key)
        if self.ca:
            context.load_verify_locations(self.ca)
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def channel_credentials(self) -> grpc.ChannelCredentials:
        key, chain = self._pair()
        return grpc.ssl_channel_credentials(self.ca.read_bytes() if self.ca else None, key, chain)
