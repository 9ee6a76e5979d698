#!/bin/sh
# Runs tests/manifests: checks the manifests of docs/guides/kubernetes.md against the schemas of several versions of
# Kubernetes, and against each other.

cd "$(dirname "$0")/.."
. build/lib.sh

# kubernetes-validate, which contains the schemas (100 MB), and PyYAML
need_packages "to test" python3 python3-venv
need_python target/manifests tests/manifests/requirements.txt "to test"

say "-- manifests"
exec target/manifests/bin/python -B -m unittest discover --start-directory tests/manifests
