"""A process that removes a run's containers when its runner dies without doing so.

Run as a program: `python -I watchdog.py LABEL CONTAINER... < pipe`. It reads until the pipe is
closed. If the runner wrote a byte before that, everything is in order; else the runner was
killed. The heavy imports come only then, so that waiting costs next to nothing.
"""

from __future__ import annotations

import os
import sys
import time
from typing import Any

_TRIES = 40
_PAUSE_S = 0.25


def main(volume: str, containers: list[str]) -> None:
    """Wait, and clear up if need be."""
    if os.read(0, 1):
        return
    import docker
    from docker.errors import DockerException, NotFound
    from docker.utils import kwargs_from_env
    from requests.exceptions import RequestException

    arguments = {**kwargs_from_env(), "base_url": os.environ["DOCKER_HOST"]}

    def gone(remove: Any, name: str) -> bool:
        try:
            remove(name, force=True)
        except NotFound:
            return True
        except (DockerException, RequestException):
            return False
        return False  # asked for; looked at again

    # Again for some seconds, as the engine may still be making what the runner asked for.
    seen_clear = 0
    for _ in range(_TRIES):
        try:
            client = docker.APIClient(**arguments, version="auto", timeout=30)
            clear = [gone(client.remove_container, name) for name in containers]
            clear.append(gone(client.remove_volume, volume))
        except (DockerException, RequestException):
            clear = [False]
        seen_clear = seen_clear + 1 if all(clear) else 0
        if seen_clear > 8:
            return
        time.sleep(_PAUSE_S)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
