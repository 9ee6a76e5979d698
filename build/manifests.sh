#!/bin/sh
# Runs tests/manifests: the manifests of docs/guides/kubernetes.md, by the schemas of several versions of Kubernetes, and
# whether they fit each other.

cd "$(dirname "$0")/.."
. build/lib.sh

# kubernetes-validate: the schemas, 100 MB; PyYAML
need_packages "to test" python3 python3-venv
need_python target/manifests tests/manifests/requirements.txt "to test"

say "-- manifests"
exec target/manifests/bin/python -B -m unittest discover --start-directory tests/manifests
