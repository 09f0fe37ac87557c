"""ReplayWeb.page as npm has it, into a folder: python3 tests/replay/viewer.py FOLDER.

A program of another maker (AGPL-3.0) that tests run and nobody ships. It is packed alone and not installed: its two
files are whole, what it names as dependencies went into them. Nothing of it is run here; its digest is known.
"""

import base64
import hashlib
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

PACKAGE = "replaywebpage@2.4.6"
SHA512 = "uG50jESRld0p+fY7+nUxIWl7hvfimreNjSmaNkc/a9a8gBdmb7PH4J42Iib+vgk9KrHd0HLScVT++LgqV5fwpQ=="
FILES = ("ui.js", "sw.js")


def get_viewer(folder: Path) -> str:
    """Put the two files into a folder, unless they are there; why that could not be, or the empty string."""
    if all((folder / name).is_file() for name in FILES):
        return ""
    with tempfile.TemporaryDirectory(prefix="replayweb-") as work:
        command = ["npm", "pack", PACKAGE, "--ignore-scripts", "--silent", "--fetch-timeout=30000", "--fetch-retries=1"]
        done = subprocess.run(command, cwd=work, capture_output=True, text=True, timeout=180, check=False)
        packed = next(Path(work).glob("*.tgz"), None)
        if packed is None:
            return f"npm gave no {PACKAGE}: {done.stderr.strip()[-200:]}"
        if base64.b64encode(hashlib.sha512(packed.read_bytes()).digest()).decode() != SHA512:
            return f"{PACKAGE} is not the one of our digest"
        folder.mkdir(parents=True, exist_ok=True)
        with tarfile.open(packed) as archive:
            for name in FILES:
                member = archive.extractfile(f"package/{name}")
                if member is None:
                    return f"{PACKAGE} has no {name}"
                with member:
                    (folder / name).write_bytes(member.read())
    return ""


if __name__ == "__main__":
    sys.exit(get_viewer(Path(sys.argv[1])) or 0)
