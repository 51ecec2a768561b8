"""From a queue's URL to the queue."""

from farfield_kernel.errors import InvalidArgument
from farfield_kernel.queue.contract import LEASE_SECONDS, PATIENCE_SECONDS, Queue
from farfield_kernel.queue.memory import named
from farfield_kernel.queue.redis import RedisQueue


def connect(
    url: str, *, lease_seconds: float = LEASE_SECONDS, patience_seconds: float = PATIENCE_SECONDS
) -> Queue:
    """The queue at `url`. `redis://`, `rediss://` (TLS) and `unix://` are as redis-py reads them, e.g.
    `rediss://user:secret@host:6380/0?ssl_ca_certs=/etc/ca.pem`; `memory://NAME` is one queue per name
    inside this process. No connection is made before the first call.

    `lease_seconds`: how long a claim stays with its worker unless renewed; the same for all workers.
    `patience_seconds`: how long a call tries to reach the store before it raises Unavailable.
    """
    scheme = url.partition("://")[0].lower() if "://" in url else ""
    if scheme == "memory":
        return named(url, lease_seconds)
    if scheme in ("redis", "rediss", "unix"):
        try:
            return RedisQueue(url, lease_seconds, patience_seconds)
        except ValueError:  # quotes the part that it does not understand, which may be of the password
            raise InvalidArgument(
                f"the queue url {scheme}://… cannot be read: give a number as its port and as options that "
                "are numbers, and write characters like / # @ : in its password as %2F %23 %40 %3A"
            ) from None
    raise InvalidArgument(
        f"queue url scheme '{scheme}' is not known: write redis://HOST:PORT, rediss://HOST:PORT, "
        "unix:///PATH or memory://NAME"
    )
