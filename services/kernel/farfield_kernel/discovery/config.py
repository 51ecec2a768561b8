"""How services are found."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from farfield_kernel.config import Config
from farfield_kernel.discovery.contract import DEFAULT_LANE, Kind
from farfield_kernel.tls import TlsConfig


class ListedService(Config):
    """A service of a static list."""

    kind: Kind
    address: str = Field(min_length=1)
    """host:port; several with commas between them, or a `dns:///` name of several, are replicas."""
    name: str = ""
    """What messages call it.  [default: its address]"""
    lane: str = DEFAULT_LANE


class StaticDiscovery(Config):
    """Services that are written down."""

    kind: Literal["static"] = "static"
    services: tuple[ListedService, ...] = ()
    """Asked what they host, so that several environment or verifier services may stand side by side. None:
    the addresses that the rest of the configuration names are taken as they are, and not asked."""

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        names = [(one.kind, one.name or one.address) for one in self.services]
        if twice := sorted({f"{kind} {name}" for kind, name in names if names.count((kind, name)) > 1}):
            raise ValueError(f"{', '.join(twice)} is there twice: give each service a name of its own")
        return self


class KubernetesDiscovery(Config):
    """Services that carry the label `farfield.dev/kind`, found through the Kubernetes API."""

    kind: Literal["kubernetes"]
    namespace: str = ""
    """Where they are; empty: where this process is."""
    selector: str = ""
    """Further labels that they must have, e.g. `app.kubernetes.io/instance=rl`."""
    context: str = ""
    """Context of the KUBECONFIG file. Empty: this pod's account, else the file's current context."""
    tls: TlsConfig | None = None
    """Speak TLS to them. A service with the annotation `farfield.dev/tls: "false"` is spoken to in plain text
    even so, and then shown no token; one with "true" in TLS, with the authorities of the system where this is
    absent."""
    token: str = Field(default="", repr=False)
    """Bearer token to present."""


DiscoveryConfig = Annotated[StaticDiscovery | KubernetesDiscovery, Field(discriminator="kind")]
