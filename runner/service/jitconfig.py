"""Asks GitHub for a runner that takes one job: `python -m runner.service.jitconfig`.

The service runs it as root before each job, and hands only its answer, which is worth nothing
after that job, to the user that runs the job. Needs nothing but Python.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import secrets
import socket
import sys
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path

_TIMEOUT_S = 30
_MOST_BYTES = 1 << 20
_REPOSITORY = re.compile(r"[A-Za-z0-9-]+/[A-Za-z0-9._-]+")


class Refused(Exception):
    """GitHub gave no runner; the message says what to do."""


def ask(repository: str, token: str, labels: Sequence[str], api_url: str, group: int = 1) -> str:
    """The configuration of a new runner that takes one job. Raises Refused."""
    if not _REPOSITORY.fullmatch(repository):
        raise Refused(f"{repository!r} is no repository; write OWNER/NAME.")
    name = f"{socket.gethostname()[:40]}-{secrets.token_hex(4)}"
    body = {
        "name": name,
        "runner_group_id": group,
        "labels": ["self-hosted", *labels],
        "work_folder": "_work",
    }
    request = urllib.request.Request(  # noqa: S310 (the address is the administrator's)
        f"{api_url}/repos/{repository}/actions/runners/generate-jitconfig",
        data=json.dumps(body).encode(),
        method="POST",
        headers={"Authorization": f"Bearer {token}", "Accept": "application/vnd.github+json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:  # noqa: S310
            told = json.loads(answer.read(_MOST_BYTES))
        return str(told["encoded_jit_config"])
    except urllib.error.HTTPError as error:
        raise Refused(
            f"GitHub answered {error.code} to {repository}. The token needs the permission "
            "Administration: write for this repository, and may have expired."
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Refused(f"GitHub could not be asked ({error}). The service tries again.") from None


def main(arguments: Sequence[str]) -> int:
    """Write the configuration to a file that only its owner may read."""
    parser = argparse.ArgumentParser(prog="python -m runner.service.jitconfig")
    parser.add_argument("--repository", required=True, help="OWNER/NAME")
    parser.add_argument("--token-file", required=True, type=Path, help="readable by root alone")
    parser.add_argument("--out", required=True, type=Path, help="the file to write")
    parser.add_argument("--user", help="the user that the file is given to")
    parser.add_argument("--label", action="append", default=[], help="beside self-hosted")
    parser.add_argument("--api-url", default="https://api.github.com")
    chosen = parser.parse_args(arguments)
    try:
        token = chosen.token_file.read_text().strip()
        config = ask(chosen.repository, token, chosen.label or ["gpu"], chosen.api_url)
        _write(chosen.out, config, chosen.user)
    except (Refused, OSError, LookupError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _write(path: Path, text: str, user: str | None) -> None:
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w") as file:
        if user:
            import pwd

            entry = pwd.getpwnam(user)
            os.fchown(descriptor, entry.pw_uid, entry.pw_gid)
        file.write(text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
