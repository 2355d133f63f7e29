"""The Pythons that are supported, and their paths on this machine."""

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

from tests.support.processes import ROOT

CLASSIFIER = re.compile(r"Programming Language :: Python :: (3\.\d+)")


def supported_versions() -> list[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return [match[1] for text in project["classifiers"] if (match := CLASSIFIER.fullmatch(text))]


VERSIONS = supported_versions()


def find_python(version: str) -> str | None:
    """Return the path of a Python of `version` that runs, None if there is none: pyenv's shims may be of none."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    candidates = [shutil.which(f"python{version}"), *pyenv.glob(f"versions/{version}.*/bin/python{version}")]
    for candidate in candidates:
        code = "import sys, ensurepip; print('%d.%d' % sys.version_info[:2])"
        if not candidate:
            continue
        asked = subprocess.run([candidate, "-c", code], capture_output=True, text=True, check=False)
        if asked.stdout.strip() == version:
            return str(candidate)
    return None
