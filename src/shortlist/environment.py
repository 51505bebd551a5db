"""What of our environment a process may see that we start: an allow-list, less all that is named like a secret."""

import fnmatch
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

_ENVIRONMENT = (
    "PATH", "HOME", "LANG", "LANGUAGE", "LC_*", "TZ", "TMPDIR", "TEMP", "TMP", "SYSTEMROOT", "WINDIR", "PYTHONPATH",
    "PYTHONHOME", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "OMP_*", "KMP_*", "GGML_*", "CUDA_VISIBLE_DEVICES",
    "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES",
)  # fmt: skip
_SECRET = re.compile(r"TOKEN|SECRET|PASSW|CREDENTIAL|API_?KEY", re.IGNORECASE)


def foreign_environment(patterns: Sequence[str] = ()) -> dict[str, str]:
    """What a program that is not ours may see of our environment: no Python path, and `patterns` that a user lists.

    A secret's name passes only where it is listed in full.
    """
    usual = [pattern for pattern in _ENVIRONMENT if not pattern.startswith("PYTHON")]
    named = {pattern for pattern in patterns if not pattern.endswith("*")}
    return {n: v for n, v in os.environ.items() if n in named or _is_kept(n, (*usual, *patterns))}


def _is_kept(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatch.fnmatchcase(name.upper(), one.upper()) for one in patterns) and not _SECRET.search(name)


def child_environment(extras: Mapping[str, str] | None = None) -> dict[str, str]:
    """What a child may see of our environment (an allow-list, less all that is named like a secret), and `extras`."""
    kept = {name: value for name, value in os.environ.items() if _is_kept(name, _ENVIRONMENT)}
    root = Path(__file__).resolve().parent.parent
    if root.name not in ("site-packages", "dist-packages"):
        # A checkout that is on our path by other means than PYTHONPATH must be found by the child too.
        kept["PYTHONPATH"] = os.pathsep.join(p for p in (str(root), kept.get("PYTHONPATH")) if p)
    return kept | dict(extras or {})
