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
    """Run one test; whatever it raises is a verdict."""
    verdict = tried(test, subject)
    ended = verdict.outcome == FAILED and subject.has_ended()
    return Verdict(FAILED, f"{verdict.reason}; the server has ended") if ended else verdict


def tried(test: Test, subject: Subject) -> Verdict:
    try:
        test(subject)
    except NotOffered as missing:
        return Verdict(NOT_OFFERED, str(missing))
    except Failed as failed:
        return Verdict(FAILED, str(failed))
    except Closed as closed:
        after = f" after {closed.args[0][:60]!r}" if closed.args[0] else " without an answer"
        return Verdict(FAILED, f"the connection was closed{after}")
    except TimeoutError:
        return Verdict(FAILED, "no answer in time")
    except (AssertionError, OSError, ValueError, LookupError) as error:
        return Verdict(FAILED, f"{type(error).__name__}: {error}")
    return Verdict(PASSED)
