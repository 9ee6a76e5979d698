"""docs/guides/containers.md: its examples."""

import re

from engine import IMAGE, ROOT, attempt, call, start
from lab import equal

GUIDE = (ROOT / "docs/guides/containers.md").read_text()


def shown(language):
    """The only code block of that language in the guide."""
    (text,) = re.findall(rf"^```{language}\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)
    return text


def test_derived_image(lab):
    """The custom image is built, loads its configuration, and uses the servers that it names."""
    (lab.root / "Dockerfile").write_text(shown("dockerfile").replace("nginx-session-sticky:1.28", IMAGE))
    (lab.root / "app.conf").write_text(shown("nginx"))
    lab.stack.callback(attempt, "podman", "rmi", "--force", "front")
    call("buildah", "build", "--quiet", "--tag", "front", str(lab.root))
    said = attempt("podman", "run", "--rm", "front", "nginx", "-t")
    equal(said.returncode, 0, f"nginx -t, which says {said.stderr}")
    container = start(lab, image="front")
    text = container.exec("curl", "--silent", "http://127.0.0.1:8081/?format=json")
    assert '"name":"app"' in text and "192.0.2.2:8080" in text, text
