"""Who may do what in Redis: one user for each role, each with the keys and commands of its part of the queue.

The chart's `_redis.tpl` has the same rules; a test compares them.
"""

import hashlib
from collections.abc import Mapping

_SCRIPTS = "+ping +evalsha +script|load"

RULES: Mapping[str, str] = {
    "trainer": f"~farfield:{{*}}:* ~farfield:lane:{{*}}:* {_SCRIPTS} +exists +persist +unlink +del +get +set "
    "+hget +hdel +hmget +hsetnx +hincrby +xadd +xlen +xdel +xack +xrange +xrevrange +xpending +xreadgroup "
    "+xgroup|create +xgroup|destroy +info +time",
    "worker": f"~farfield:{{*}}:* %R~farfield:lane:{{*}}:run {_SCRIPTS} +exists +expire +get +hget +hset "
    "+hsetnx +hexists +hincrby +xadd +xdel +xack +xclaim +xpending +xreadgroup +xgroup|create",
    "policy": "%R~farfield:lane:{*}:weights +ping +xread +xrevrange",
    "probe": "+ping",
}
"""By role. Braces are part of the keys' names, and no pattern. `probe` asks whether the server answers."""

DEFAULT_USER = "user default off resetpass ~* &* +@all"
"""Nobody can log in as it, and it may do everything: the append-only file is replayed with its rights, and
without them the transactions in it are lost."""


def acl(passwords: Mapping[str, str]) -> str:
    """An ACL file with the users whose passwords are given; these stand in it as SHA-256 alone."""
    lines = [DEFAULT_USER]
    for role, password in passwords.items():
        digest = hashlib.sha256(password.encode()).hexdigest()
        lines.append(f"user {role} on #{digest} {RULES[role]}")
    return "\n".join(lines) + "\n"
