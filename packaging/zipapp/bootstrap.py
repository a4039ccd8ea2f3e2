"""The main module of cmpd.pyz: unpack once, then run from the unpacked copy.

Compiled modules (cryptography's) cannot be imported out of an archive, so the archive is unpacked into a
folder of the user's own, named by the archive's hash: another version gets another folder, and an
interrupted unpacking leaves none. $CMPD_UNPACK names another place than the user's cache folder.
"""

import hashlib
import os
import runpy
import shutil
import sys
import tempfile
import zipfile
from pathlib import Path


def _unpacked(archive: Path) -> Path:
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    place = Path(os.environ.pop("CMPD_UNPACK", "") or Path(cache, "cmpd"))
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = place.stat()
    if status.st_uid != os.geteuid() or status.st_mode & 0o022:
        sys.exit(f"cmpd: {place} must belong to you and be writable by nobody else; see CMPD_UNPACK")
    folder = place / hashlib.sha256(archive.read_bytes()).hexdigest()[:32]
    if not folder.is_dir():
        fresh = Path(tempfile.mkdtemp(dir=place))
        with zipfile.ZipFile(archive) as content:
            content.extractall(fresh)
        try:
            fresh.rename(folder)
        except OSError:  # another process was faster, and its copy is the same
            shutil.rmtree(fresh)
    return folder


if __name__ == "__main__":
    root = str(_unpacked(Path(sys.argv[0])))
    sys.path[0] = root
    # Processes that cmpd starts for itself must find it as well.
    os.environ["PYTHONPATH"] = root
    runpy.run_module("cmpd", run_name="__main__", alter_sys=True)
