"""What a test says of a server: it passed, it failed for a reason, or the server does not offer the feature."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pep3333.subject import Subject
from wire import Closed

PASSED, FAILED, NOT_OFFERED = "passed", "failed", "not offered"
Test = Callable[[Subject], None]


@dataclass(frozen=True)
class Verdict:
    outcome: str
    reason: str = ""


class Failed(Exception):
    """The clause does not hold; the message says what was seen instead."""


class NotOffered(Exception):
    """The clause is about an optional feature that this server lacks."""


def expect(condition: object, reason: str) -> None:
    if not condition:
        raise Failed(reason)


def judge(test: Test, subject: Subject) -> Verdict:
    """Run one test; whatever it raises is a verdict, a bug in the test itself excepted by its type in the reason."""
    try:
        test(subject)
    except NotOffered as missing:
        return Verdict(NOT_OFFERED, str(missing))
    except Failed as failed:
        return Verdict(FAILED, str(failed))
    except Closed as closed:
        return Verdict(FAILED, f"the connection was closed after {closed.args[0][:60]!r}")
    except TimeoutError:
        return Verdict(FAILED, "no answer in time")
    except (AssertionError, OSError, ValueError, LookupError) as error:
        return Verdict(FAILED, f"{type(error).__name__}: {error}")
    return Verdict(PASSED)
