"""The manifests of docs/guides/kubernetes.md, as a reader copies them."""

import re
from pathlib import Path

import yaml

GUIDE = Path(__file__).resolve().parents[2] / "docs/guides/kubernetes.md"
FENCE = re.compile(r"^```yaml\n(.*?)^```$", re.MULTILINE | re.DOTALL)
UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}


class NoDoubles(yaml.SafeLoader):
    """Rejects a duplicate key in a mapping, like kubectl; otherwise the last one would be used."""


def mapping(loader, node):
    keys = [loader.construct_object(key) for key, _ in node.value]
    doubles = {key for key in keys if keys.count(key) > 1}
    assert not doubles, f"{node.start_mark}: twice: {doubles}"
    return loader.construct_mapping(node, deep=True)


NoDoubles.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, mapping)


def blocks():
    """Everything between ```yaml and ```, each as its documents."""
    return [list(yaml.load_all(text, NoDoubles)) for text in FENCE.findall(GUIDE.read_text())]


def manifests():
    return [document for block in blocks() for document in block if "kind" in document]


def fragments():
    """The settings for a container of the application."""
    return [document for block in blocks() for document in block if "kind" not in document]


def one(kind, name):
    (found,) = [it for it in manifests() if (it["kind"], it["metadata"]["name"]) == (kind, name)]
    return found


def every(kind):
    return [it for it in manifests() if it["kind"] == kind]


def container_of(deployment):
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    return container


def parameter(text, name):
    """The seconds of NAME=TIME in a configuration of nginx, or of "NAME TIME;"."""
    ((number, unit),) = set(re.findall(rf"\b{name}[= ](\d+)(ms|[smhd])", text))
    return int(number) * UNITS[unit]
