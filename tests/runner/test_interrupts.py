from __future__ import annotations

import signal
import threading
from collections.abc import Iterator

import pytest

from runner import interrupts


class Heard(Exception):
    """What the handlers of these tests raise."""


@pytest.fixture(autouse=True)
def _handlers() -> Iterator[None]:
    def hear(number: int, _frame: object) -> None:
        raise Heard(number)

    before = {number: signal.signal(number, hear) for number in interrupts.NUMBERS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", interrupts.NUMBERS)
def test_the_first_one_is_put_off_to_the_end(number: signal.Signals) -> None:
    done = []
    with pytest.raises(Heard) as heard, interrupts.held():
        signal.raise_signal(number)
        signal.raise_signal(signal.SIGINT)
        done.append(True)
    assert done
    assert heard.value.args == (number,)
    with pytest.raises(Heard):  # as before
        signal.raise_signal(number)


def test_the_second_one_comes_after_a_first_that_only_asks() -> None:
    asked = []
    signal.signal(signal.SIGINT, lambda number, _: asked.append(number))
    with pytest.raises(Heard) as heard, interrupts.held() as came:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)
        assert came == [signal.SIGINT, signal.SIGTERM]
    assert asked == [signal.SIGINT]
    assert heard.value.args == (signal.SIGTERM,)


def test_what_is_set_meanwhile_stays() -> None:
    """As by the handler of one that came before all were put off."""
    with interrupts.held():
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_DFL


def test_no_error_loses_it() -> None:
    with pytest.raises(Heard) as heard, interrupts.held():
        signal.raise_signal(signal.SIGTERM)
        raise ValueError
    assert isinstance(heard.value.__context__, ValueError)


def test_what_is_ignored_stays_ignored() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with interrupts.held():
        signal.raise_signal(signal.SIGHUP)
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


def test_other_threads_have_nothing_to_put_off() -> None:
    errors: list[BaseException] = []

    def hold() -> None:
        try:
            with interrupts.held():
                pass
        except BaseException as error:
            errors.append(error)

    other = threading.Thread(target=hold)
    other.start()
    other.join()
    assert errors == []


def test_one_is_sent_again_in_a_moment() -> None:
    interrupts.send_again(signal.SIGTERM)
    with pytest.raises(Heard):
        threading.Event().wait(30)
