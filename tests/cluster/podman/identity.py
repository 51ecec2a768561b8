"""What a pod needs to ask the API: where it is, whom to trust, and the token of its ServiceAccount."""

import ssl
import subprocess
from pathlib import Path

from tests.cluster.authorization import Accounts
from tests.cluster.podman.environment import NotConfigured
from tests.cluster.resources import BY_KIND
from tests.cluster.store import Object, Store

HTTPS = 443
MOUNTED = "/var/run/secrets/kubernetes.io/serviceaccount"


class Identity:
    """The folder holds the API's certificate."""

    def __init__(self, folder: Path, address: str, accounts: Accounts) -> None:
        self._address = address
        self._accounts = accounts
        self._key, self._certificate = folder / "key.pem", folder / "certificate.pem"
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            [
                *(
                    "openssl",
                    "req",
                    "-x509",
                    "-newkey",
                    "ec",
                    "-pkeyopt",
                    "ec_paramgen_curve:prime256v1",
                    "-nodes",
                ),
                *("-subj", "/CN=simulator", "-addext", f"subjectAltName=IP:{address}", "-days", "2"),
                *("-keyout", str(self._key), "-out", str(self._certificate)),
            ],
            check=True,
            capture_output=True,
        )

    def tls(self) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self._certificate, self._key)
        return context

    def variables(self) -> dict[str, str]:
        return {"KUBERNETES_SERVICE_HOST": self._address, "KUBERNETES_SERVICE_PORT": str(HTTPS)}

    def mounts(self, store: Store, pod: Object, folder: Path) -> list[str]:
        """Words for podman; none for a pod that wants no token. Raises NotConfigured."""
        namespace, name = pod["metadata"]["namespace"], pod["spec"].get("serviceAccountName", "default")
        account = store.find(BY_KIND["ServiceAccount"], namespace, name)
        if account is None:
            raise NotConfigured(f"serviceaccount {name} is not there")
        wanted = account.get("automountServiceAccountToken", True)
        if not pod["spec"].get("automountServiceAccountToken", wanted):
            return []
        own = folder / "serviceaccount"
        own.mkdir(parents=True, exist_ok=True)
        (own / "namespace").write_text(namespace)
        (own / "ca.crt").write_text(self._certificate.read_text())
        (own / "token").write_text(self._accounts.issue(namespace, name))
        return [f"--volume={own}:{MOUNTED}:ro"]
