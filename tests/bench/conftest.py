"""The prepared tiny data that the runner's tests use."""

from tests.runner.conftest import measuring_cache

__all__ = ["measuring_cache"]
