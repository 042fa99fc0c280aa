"""Containers and volumes of runners that are gone, found by their labels."""

from __future__ import annotations

import time
from collections.abc import Mapping

from runner.sandbox.docker.engine import ENGINE_ERRORS, Engine
from runner.sandbox.docker.specification import BOOT_LABEL, EXPIRY_LABEL, RUN_LABEL, boot
from runner.sandbox.label import is_orphan


def reap(engine: Engine) -> int:
    """Remove what killed runners left in this engine; how many containers and volumes.

    What another machine, or another container on this one, made is left alone until it has
    outlived its own deadline by an hour: whether its maker lives cannot be seen from here.
    """
    chosen = {"label": RUN_LABEL}
    try:
        containers = engine.client.containers(all=True, filters=chosen)
        removed = sum(
            engine.remove(one["Id"]) for one in containers if is_left_over(one["Labels"] or {})
        )
        volumes = engine.client.volumes(filters=chosen).get("Volumes") or ()
        removed += sum(
            engine.remove_volume(one["Name"])
            for one in volumes
            if is_left_over(one["Labels"] or {})
        )
    except ENGINE_ERRORS:
        return 0  # the next start tries again; the run itself will tell what is wrong
    return removed


def is_left_over(labels: Mapping[str, str]) -> bool:
    """Whether the maker of something with these labels is gone."""
    if labels.get(BOOT_LABEL) == boot() and is_orphan(labels.get(RUN_LABEL, "")):
        return True
    expiry = labels.get(EXPIRY_LABEL, "")
    return expiry.isdecimal() and time.time() > int(expiry)
