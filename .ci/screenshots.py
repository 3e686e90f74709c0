"""Tell which pictures the tests have taken of the page, and pack them; where there is a browser, none may be missing.

They go to the folder that CI_ARTIFACTS names, else to build/artefacts.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import sys
import tarfile
from pathlib import Path

from tests.page.browser import SHOTS, THEMES, VIEWS, why_not

_PNG = b"\x89PNG\r\n\x1a\n"


def main() -> None:
    """List and pack what is there, and fail where something is missing."""
    folder = Path(os.environ.get("CI_ARTIFACTS") or SHOTS.parent / "artefacts")
    pictures = {path.name: path.read_bytes() for path in sorted(SHOTS.glob("*.png"))}
    for name, data in pictures.items():
        print(f"{hashlib.sha256(data).hexdigest()}  {len(data):>8}  {name}")
    if pictures:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "screenshots.tar.gz").write_bytes(packed(pictures))
        print(f"{folder / 'screenshots.tar.gz'}: {len(pictures)} pictures")
    expected = [f"{view}-{theme}.png" for view in VIEWS for theme in THEMES]
    missing = [name for name in expected if not pictures.get(name, b"").startswith(_PNG)]
    why = why_not()
    if missing and why:
        print(f"NO PICTURES of {', '.join(missing)}: {why}")
    elif missing:
        sys.exit(f"there is a browser, and no picture was taken of {', '.join(missing)}")


def packed(files: dict[str, bytes]) -> bytes:
    """Return an archive: the same bytes for the same files."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(f"screenshots/{name}")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return gzip.compress(archive.getvalue(), mtime=0)


main()
