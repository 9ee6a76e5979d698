"""docker/nginx-source.sh: which sources of nginx it accepts."""

import hashlib
import shutil
import subprocess
import tarfile

from engine import ROOT, attempt
from lab import equal

NAME = "nginx-1.28.3"


def published(lab, checksum=None, archive=NAME):
    """A folder as published by nginx.org and pkg-oss: sources, and their checksum, the given one or the right one."""
    folder = lab.root / "published"
    source = lab.root / NAME / "src/core"
    source.mkdir(parents=True)
    (source / "nginx.h").write_text("the header\n")
    folder.mkdir()
    file = folder / f"{NAME}.tar.gz"
    with tarfile.open(file, "w:gz") as tar:
        tar.add(lab.root / NAME, NAME)
    checksum = checksum or hashlib.sha512(file.read_bytes()).hexdigest()
    sums = folder / "1.28.3-2/contrib/src/nginx"
    sums.mkdir(parents=True)
    (sums / "SHA512SUMS").write_text(f"{'0' * 128}  nginx-1.28.2.tar.gz\n{checksum}  {archive}.tar.gz\n")
    return folder


def unpack(lab, folder, version="1.28.3", release="2~trixie", **env):
    env |= {
        "NGINX_VERSION": version,
        "PKG_RELEASE": release,
        "NGINX_DOWNLOADS": f"file://{folder}",
        "NGINX_CHECKSUMS": f"file://{folder}",
    }
    said = attempt("sh", ROOT / "docker/nginx-source.sh", lab.root / "unpacked", env=env)
    return said.returncode, said.stderr


def refused(lab, words, *arguments, **more):
    code, said = unpack(lab, *arguments, **more)
    equal(code, 1, "its status")
    assert words in said, said
    assert not (lab.root / "unpacked").exists(), "unpacked nevertheless"


def test_right(lab):
    """Sources are unpacked if they have the packaging's checksum at the tag of the package."""
    folder = published(lab)
    equal(unpack(lab, folder), (0, ""), "status and error")
    equal((lab.root / "unpacked/src/core/nginx.h").read_text(), "the header\n", "the content")


def test_without_a_build_for_a_release(lab):
    """Alpine's packages have the same tag, without a distribution name in their release."""
    equal(unpack(lab, published(lab), release="2"), (0, ""), "status and error")


def test_other_checksum(lab):
    """Sources with another checksum are refused."""
    refused(lab, "and should have " + "1" * 128, published(lab, checksum="1" * 128))


def test_no_checksum(lab):
    """Sources without a checksum in the packaging are refused."""
    refused(lab, "the checksums of 1.28.3-2 have none of nginx-1.28.3.tar.gz", published(lab, archive="nginx-1.28.4"))


def test_no_tag(lab):
    """A release that the packaging does not have is an error."""
    refused(lab, "cannot fetch", published(lab), release="3~trixie")


def test_other_image(lab):
    """An image that does not report its version causes an error message."""
    refused(lab, "it is no official nginx image", published(lab), version="")


def test_busybox(lab):
    """It needs only curl in addition to Alpine's busybox."""
    folder = lab.root / "bin"
    folder.mkdir()
    subprocess.run(["busybox", "--install", "-s", folder], check=True)
    (folder / "curl").symlink_to(shutil.which("curl"))
    equal(unpack(lab, published(lab), PATH=str(folder)), (0, ""), "status and error")
    equal((lab.root / "unpacked/src/core/nginx.h").read_text(), "the header\n", "the content")
