#!/usr/bin/env bash
# fetch_redis.sh FOLDER: Debian's Redis, which speaks TLS, into FOLDER/bin, where none on PATH does. Installs
# nothing: the packages are only unpacked. Elsewhere than on Debian and Ubuntu: install one, or these tests are skipped.
set -euo pipefail
self=$(realpath "$0") folder=$(realpath -m "$1")

speaks_tls() { command -v "$1" >/dev/null && { timeout 30 "$1" --port 0 --tls-port 1 2>&1 || true; } | grep -q tls-cert-file; }

if [ -x "$folder/bin/redis-server" ] || speaks_tls redis-server || speaks_tls valkey-server; then exit 0; fi
if ! command -v apt-get dpkg >/dev/null; then
  echo "no Redis with TLS here, and no apt-get to fetch one: install redis-server"
  exit 0
fi
mkdir -p "$folder/packages" "$folder/bin"
cd "$folder/packages"
names=$(apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces --no-enhances \
  redis-server | grep -E '^(redis-(server|tools)|lib(lzf1|jemalloc2|hiredis.*|lua5\.1-0)|lua-(bitop|cjson))(:|$)' | sort -u)
[ -n "$names" ] || { apt-get update -qq && exec "$self" "$folder"; }
# shellcheck disable=SC2086
apt-get download -qq $names
for package in *.deb; do dpkg -x "$package" "$folder"; done
cat > "$folder/bin/redis-server" <<WRAPPER
#!/bin/sh
LD_LIBRARY_PATH=\$(echo "$folder"/usr/lib/*-linux-gnu) exec "$folder/usr/bin/redis-server" "\$@"
WRAPPER
chmod +x "$folder/bin/redis-server"
"$folder/bin/redis-server" --version
