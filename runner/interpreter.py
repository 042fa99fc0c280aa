"""The candidate's interpreter: where it is, and what it has, without importing torch."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, Field, ValidationError

from runner.errors import RunnerError
from runner.settings import CandidateTable

ENVIRONMENT_VARIABLE = "MERGELAB_CANDIDATE_PYTHON"
_TIMEOUT_S = 120
_QUESTION = """
import hashlib, importlib.metadata, json, platform
found = {}
for package in importlib.metadata.distributions():  # the first one is imported
    name = (package.metadata["Name"] or "").lower().replace("_", "-")
    if name not in ("pip", "setuptools"):  # they install, and take no part in a training
        found.setdefault(name, package.version or "")
lines = "".join(f"{name}=={version}\\n" for name, version in sorted(found.items()))
print(json.dumps({"version": platform.python_version(), "torch": found.get("torch", ""),
                  "packages": hashlib.sha256(lines.encode()).hexdigest()[:16],
                  "implementation": platform.python_implementation()}))
"""


@dataclass(frozen=True)
class Interpreter:
    """An interpreter that candidates run in."""

    path: Path  # as it is called, a virtual environment's link not resolved
    version: str  # for example "CPython 3.11.7"
    torch: str  # for example "2.13.0+cpu"; empty if there is none
    packages: str = ""  # digest of the names and versions of all installed packages


class _Answer(BaseModel):
    implementation: str = Field(max_length=50)
    version: str = Field(max_length=50)
    torch: str = Field(max_length=50)
    packages: str = Field(max_length=50)


def find_interpreter(repository: Path, table: CandidateTable) -> Interpreter:
    """The interpreter that the environment or bot.toml names.

    Raises:
        RunnerError: there is none, or it does not start.
    """
    named = os.environ.get(ENVIRONMENT_VARIABLE) or table.python
    # Not resolved: a virtual environment is found through the link's own place.
    path = Path(os.path.abspath(repository / named))  # noqa: PTH100
    if not path.is_file() or not os.access(path, os.X_OK):
        raise RunnerError(
            f"There is no interpreter for candidates at {path}. Run `make install`, or name "
            f"one as candidate.python in bot.toml or in {ENVIRONMENT_VARIABLE}."
        )
    try:
        answer = _Answer.model_validate_json(ask(path, _QUESTION))
    except ValidationError:
        raise RunnerError(
            f"{path} does not answer like a Python interpreter. Run `make install` again."
        ) from None
    version = f"{answer.implementation} {answer.version}"
    return Interpreter(path, version, answer.torch, answer.packages)


def ask(python: Path, program: str) -> bytes:
    """What `program` prints in this trusted interpreter. Raises RunnerError when it fails."""
    try:
        done = subprocess.run(
            [str(python), "-I", "-B", "-c", program],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TIMEOUT_S,
            check=True,
        )
    except (OSError, subprocess.SubprocessError) as error:
        told = getattr(error, "stderr", None) or b""
        reason = told.decode(errors="replace").strip().splitlines()[-1:] or [str(error)]
        raise RunnerError(
            f"{python} does not work: {reason[0][:300]}. Run `make install` again."
        ) from None
    return done.stdout
