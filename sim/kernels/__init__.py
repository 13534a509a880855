"""Compiled inner loops: arrays and numbers in, arrays out. Imports nothing of the rest of `sim`.

Numba stamps a cached function with its own file only, so a change in a function that it inlines
would go unseen. The cache folder therefore carries a hash of all kernel sources.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

import numba


def _cache_folder() -> Path:
    sources = sorted(Path(__file__).parent.glob("*.py"))
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:16]
    given = os.environ.get("NUMBA_CACHE_DIR") or os.environ.get("XDG_CACHE_HOME")
    home = Path(given) if given else Path.home() / ".cache"
    folder = home / "fidelio" / f"kernels-{digest}-numba-{numba.__version__}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return Path(tempfile.gettempdir()) / folder.name
    return folder


# Not as an attribute: Numba makes its settings at run time, where no type checker sees them.
vars(numba.config)["CACHE_DIR"] = str(_cache_folder())
