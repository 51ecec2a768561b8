#!/usr/bin/env bash
# fetch_prometheus.sh FOLDER: Debian's Prometheus and promtool into FOLDER/usr/bin, where none is on PATH. Installs nothing: the
# package is only unpacked. Elsewhere than on Debian and Ubuntu: install Prometheus, or its tests are skipped.
set -euo pipefail
folder=$(realpath -m "${1:?usage: fetch_prometheus.sh FOLDER}")

if [ -x "$folder/usr/bin/promtool" ] || command -v promtool >/dev/null; then exit 0; fi
if ! command -v apt-get >/dev/null || ! command -v dpkg >/dev/null; then
  echo "no promtool here, and no apt-get to fetch it: install Prometheus"
  exit 0
fi
mkdir -p "$folder/packages"
cd "$folder/packages"
apt-get download -qq prometheus || { apt-get update -qq && apt-get download -qq prometheus; }
dpkg -x prometheus_*.deb "$folder"
"$folder/usr/bin/promtool" --version
