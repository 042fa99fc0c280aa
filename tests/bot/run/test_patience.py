from __future__ import annotations

import pytest

from bot.forge.base import Conflict, ForgeError
from bot.forge.base import Unreachable as Away
from bot.forge.github.errors import Forbidden, RateLimited, Uncertain, Unreachable
from bot.run.patience import Patience, passes


@pytest.mark.parametrize(
    "error",
    [
        Away("No network."),
        Unreachable("GitHub does not answer."),
        Uncertain("It may have happened."),
        RateLimited("Wait.", wait_s=120),
    ],
)
def test_trouble_that_passes_is_waited_for_on_every_forge(error: ForgeError) -> None:
    assert passes(error)


@pytest.mark.parametrize("error", [Forbidden("No permission."), Conflict("Somebody was first.")])
def test_other_refusals_are_not(error: ForgeError) -> None:
    assert not passes(error)


def test_as_long_is_waited_as_the_forge_asks_for() -> None:
    assert Patience().delay_s(RateLimited("Wait.", wait_s=120)) == 120


def test_the_wait_grows_until_something_succeeds() -> None:
    patience = Patience()
    first, second = (patience.delay_s(Away("No network.")) for _ in range(2))
    assert second > first
    patience.succeeded()
    assert patience.delay_s(Away("No network.")) == first
