"""One account for all proposals in flight: no cap is passed, and nobody waits for nothing."""

from __future__ import annotations

import random
import signal
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.history.cost import Cost
from bot.proposers.account import Account, Accounts, Left


def usd(amount: float) -> Cost:
    return Cost(usd=amount, calls=1)


def reserve(account: Account, amount: float) -> bool:
    """Reserve so many dollars if they are left."""

    def fit(left: Left) -> tuple[bool, Left] | None:
        assert left.usd is not None
        return (True, Left(amount, 0)) if amount <= left.usd else None

    return bool(account.reserve(fit))


def test_what_one_has_reserved_is_not_left_for_another() -> None:
    accounts = Accounts()
    one, other = (accounts.open(lambda: Left(10.0, 1_000)) for _ in range(2))
    assert reserve(one, 6)
    assert other.left == Left(4.0, 1_000)
    one.settle(usd(2))
    assert other.left == Left(8.0, 1_000) == one.left


def test_what_was_settled_before_an_account_was_opened_is_in_what_was_left_by_then() -> None:
    accounts = Accounts()
    first = accounts.open(lambda: Left(10.0))
    first.settle(usd(4))
    assert accounts.open(lambda: Left(6.0)).left == Left(6.0)
    assert first.left == Left(6.0)


def test_without_a_cap_nothing_is_limited() -> None:
    account = Accounts().open(lambda: Left())
    account.settle(usd(4))
    assert account.left == Left()


def test_who_does_not_fit_and_has_nobody_to_wait_for_is_told_so() -> None:
    account = Accounts().open(lambda: Left(1.0))
    assert not reserve(account, 2)


def test_who_does_not_fit_only_for_what_others_reserved_waits_for_them() -> None:
    accounts = Accounts()
    one, other = (accounts.open(lambda: Left(10.0)) for _ in range(2))
    assert reserve(one, 8)
    found: list[bool] = []
    thread = threading.Thread(target=lambda: found.append(reserve(other, 5)))
    thread.start()
    assert not found
    one.settle(usd(1))
    thread.join(timeout=30)
    assert found == [True]


def test_a_closed_account_settles_nothing_more_and_holds_nothing() -> None:
    accounts = Accounts()
    one, other = (accounts.open(lambda: Left(10.0)) for _ in range(2))
    assert reserve(one, 8)
    one.close()
    assert other.left.usd == 10
    one.settle(usd(3))
    assert one.settled == Cost() and other.left.usd == 10


def test_a_closed_account_allows_no_further_call() -> None:
    """What it would cost would be in no book."""
    account = Accounts().open(lambda: Left(10.0))
    account.close()
    assert not reserve(account, 1)


def test_who_waits_for_others_is_told_when_its_account_is_closed() -> None:
    accounts = Accounts()
    one, other = (accounts.open(lambda: Left(10.0)) for _ in range(2))
    assert reserve(one, 8)
    found: list[bool] = []
    thread = threading.Thread(target=lambda: found.append(reserve(other, 5)), daemon=True)
    thread.start()
    other.close()
    thread.join(timeout=30)
    assert found == [False]


def test_what_could_not_be_written_down_is_settled_later() -> None:
    books: list[float] = []
    accounts = Accounts()
    one, other = (accounts.open(lambda: Left(10.0)) for _ in range(2))

    def locked(cost: Cost) -> None:
        raise OSError("a lock of git")

    one.keep = locked
    assert reserve(one, 8)
    with pytest.raises(OSError, match="lock"):
        one.settle(usd(3))
    assert other.left.usd == 10, "nothing stays reserved"
    with pytest.raises(OSError, match="lock"):
        one.conclude(usd(3), locked)
    one.conclude(usd(3), lambda cost: books.append(cost.usd))
    assert books == [3]
    assert other.left.usd == 7


def test_what_is_written_down_is_shared_and_nobody_waits_for_that() -> None:
    accounts = Accounts()
    one, other = (accounts.open(lambda: Left(10.0)) for _ in range(2))
    found: list[float | None] = []

    def share() -> None:
        thread = threading.Thread(target=lambda: found.append(other.left.usd), daemon=True)
        thread.start()
        thread.join(timeout=10)

    one.share = share
    one.settle(usd(3))
    one.settle(Cost())
    assert found == [7]


@pytest.mark.skipif(
    threading.current_thread() is not threading.main_thread(), reason="only there it comes"
)
def test_interrupted_while_it_is_written_down_it_is_settled_once() -> None:
    books: list[float] = []
    account = Accounts().open(lambda: Left(10.0))

    def write(cost: Cost) -> None:
        books.append(cost.usd)
        signal.raise_signal(signal.SIGINT)

    account.keep = write
    with pytest.raises(KeyboardInterrupt):
        account.settle(usd(3))
    account.conclude(usd(3), lambda cost: books.append(cost.usd))
    assert books == [3, 0]


@given(st.integers(1, 8), st.floats(0.5, 20), st.integers(0, 2**32))
def test_a_cap_is_never_passed_however_many_spend(threads: int, cap: float, seed: int) -> None:
    accounts = Accounts()
    books: list[float] = []

    def spend(number: int) -> None:
        chance = random.Random(seed + number)
        account = accounts.open(lambda: Left(cap - sum(books)))
        account.keep = lambda cost: books.append(cost.usd)
        while reserve(account, worst := chance.uniform(0.1, 3)):
            time.sleep(0)
            account.settle(usd(chance.uniform(0, worst)))

    running = [threading.Thread(target=spend, args=(n,)) for n in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join(timeout=60)
        assert not thread.is_alive()
    assert sum(books) <= cap + 1e-9


def test_what_cannot_be_looked_up_opens_no_account() -> None:
    def fail() -> Left:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        Accounts().open(fail)
