"""Status and response headers: what the server passes on, adds, and refuses at the time of the call."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pep3333.pages import TEXT, Environ, StartResponse, argument, page, record
from pep3333.subject import Subject
from pep3333.verdict import Failed, expect
from wire import Answer

HOP_BY_HOP = {
    "Connection": "x-marked",
    "Keep-Alive": "timeout=77",
    "Proxy-Authenticate": "Marked",
    "Proxy-Authorization": "Marked",
    "TE": "marked",
    "Transfer-Encoding": "chunked",
    "Upgrade": "marked/1",
}
# RFC 2616 13.5.1 lists it by the wrong name, Trailers.
TRAILER = {"Trailer": "X-Marked"}
CONTROLS = {"CR": "\r", "LF": "\n", "CR LF": "\r\n", "NUL": "\0"}
BREAKS = {"CR", "LF", "NUL"}
OTHER_CONTROLS = {"SOH": "\x01", "ESC": "\x1b", "US": "\x1f", "DEL": "\x7f"}


def with_header(name: Any, value: Any) -> tuple[Any, Any]:
    return "200 OK", [*TEXT, (name, value)]


CASES: dict[str, tuple[Any, Any]] = {
    **{f"a value with {name}": with_header("X-A", f"a{char}X-Injected: 1") for name, char in CONTROLS.items()},
    **{f"a value that ends in {name}": with_header("X-A", f"a{char}") for name, char in CONTROLS.items()},
    **{f"a value with {name}": with_header("X-A", f"a{char}b") for name, char in OTHER_CONTROLS.items()},
    **{f"a status with {name}": (f"200 OK{char}X-Injected: 1", TEXT) for name, char in CONTROLS.items()},
    **{f"a status that ends in {name}": (f"200 OK{char}", TEXT) for name, char in CONTROLS.items()},
    **{f"a status with {name}": (f"200 O{char}K", TEXT) for name, char in OTHER_CONTROLS.items()},
    "a name with CR LF": with_header("X-A\r\nX-Injected", "1"),
    "a name with a colon": with_header("X-A:", "1"),
    "a name with a space": with_header("X A", "1"),
    "an empty name": with_header("", "1"),
    "a name beyond ASCII": with_header("X-\xe9", "1"),
    "a name of bytes": with_header(b"X-A", "1"),
    "a value of bytes": with_header("X-A", b"1"),
    "a value of int": with_header("X-A", 1),
    "a value of None": with_header("X-A", None),
    "a value beyond latin-1": with_header("X-A", "\u20ac"),
    "a status beyond latin-1": ("200 \u20ac", TEXT),
    "a status of int": (200, TEXT),
    "a status of bytes": (b"200 OK", TEXT),
    "a status without a code": ("OK", TEXT),
    "a status of two digits": ("20 OK", TEXT),
    "a status with a space before": (" 200 OK", TEXT),
    "a tuple of headers": ("200 OK", tuple(TEXT)),
    "a generator of headers": ("200 OK", iter(TEXT)),
    "a dict of headers": ("200 OK", dict(TEXT)),
    "a header of three": ("200 OK", [*TEXT, ("X-A", "1", "2")]),
    "a header that is a str": ("200 OK", [*TEXT, "X-A: 1"]),
    **{f"hop-by-hop {name}": with_header(name, value) for name, value in (HOP_BY_HOP | TRAILER).items()},
}


@page
def heading(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """start_response with `?case=`; notes whether it raised, and lets the error go on."""
    status, headers = CASES[argument(environ, "case")]
    try:
        start_response(status, headers)
    except Exception:
        record(environ, "raised")
        raise
    record(environ, "accepted")
    return [b"body"]


@page
def status_line(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    start_response(argument(environ, "line"), list(TEXT))
    return [b"body"]


@page
def headed(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    headers = [("X-A", "1"), ("Set-Cookie", "a=1; Expires=Wed, 09 Jun 2031 10:18:14 GMT"), ("X-B", "2")]
    start_response("200 OK", [*headers, ("Set-Cookie", "b=2"), ("X-A", "3"), ("Set-Cookie", "a=1"), ("X-Empty", "")])
    return [b"body"]


@page
def headed_by_itself(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Headers that a server would add, in odd cases."""
    date = "Sun, 06 Nov 1994 08:49:37 GMT"
    start_response("200 OK", [("cOnTeNt-LeNgTh", "4"), ("dAtE", date), ("sErVeR", "itself"), ("CONTENT-TYPE", "a/b")])
    return [b"body"]


@page
def bare(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [])
    return [b"<html>bare</html>"]


@page
def latin1_head(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 Tr\xe8s Bien", [*TEXT, ("X-Raw", "caf\xe9 \xc3\xa9 \xff")])
    return [b"body"]


@page
def bodiless(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """`?line=` says that there is no body, and yet the application has one."""
    start_response(argument(environ, "line"), [])
    return [b"never ", b"seen"]


def try_case(subject: Subject, case: str) -> tuple[str, Answer | None]:
    """What start_response did, and the answer; None when the connection was closed without any."""
    key = subject.key()
    with subject.connect() as connection:
        connection.request(f"/heading?case={case.replace(' ', '%20')}&key={key}")
        try:
            answer = connection.whole_or_part()
        except ValueError:
            # It has sent what is no status line, or no header.
            answer = Answer("", 0, "what is not HTTP", [], b"", False)
    return ", ".join(subject.many.recorded(key)) or "not called", answer


def raise_at_the_call(subject: Subject, cases: Iterable[str]) -> None:
    accepted = []
    for case in cases:
        done, answer = try_case(subject, case)
        if done != "raised":
            accepted.append(f"{case} ({'no answer' if answer is None else answer.status or answer.reason})")
    expect(not accepted, f"start_response accepted {', '.join(accepted)}")


def cases(*beginnings: str) -> list[str]:
    return [case for case in CASES if case.startswith(beginnings)]


# Passed on


def status_is_passed_on(subject: Subject) -> None:
    for line in ("200 OK", "404 Gone Fishing", "299 Own Code", "500 It's (all) wrong; sorry", "410 x"):
        answer = subject.ask(f"/status_line?line={line.replace(' ', '%20').replace(';', '%3B')}")
        got = f"{answer.status} {answer.reason}"
        expect(got == line, f"{line!r} became {got!r}")


def headers_are_passed_on(subject: Subject) -> None:
    answer = subject.ask("/headed")
    got = {name: answer.all(name) for name in ("x-a", "x-b", "x-empty")}
    expect(got == {"x-a": ["1", "3"], "x-b": ["2"], "x-empty": [""]}, f"got {got}")


def repeated_headers_keep_their_order(subject: Subject) -> None:
    got = subject.ask("/headed").all("set-cookie")
    expect(got == ["a=1; Expires=Wed, 09 Jun 2031 10:18:14 GMT", "b=2", "a=1"], f"Set-Cookie is {got}")


def latin1_is_passed_on(subject: Subject) -> None:
    answer = subject.ask("/latin1_head")
    got = (answer.reason, answer.get("x-raw"))
    expect(got == ("Tr\xe8s Bien", "caf\xe9 \xc3\xa9 \xff"), f"reason phrase and header are {got}")


# Added


def date_is_added(subject: Subject) -> None:
    answer = subject.ask("/bare")
    expect(len(answer.all("date")) == 1, f"Date is {answer.all('date')} (RFC 9110 6.6.1)")


def headers_are_not_doubled(subject: Subject) -> None:
    answer = subject.ask("/headed_by_itself")
    doubled = {name: answer.all(name) for name, _ in answer.headers if len(answer.all(name)) > 1}
    expect(not doubled, f"doubled: {doubled}")
    expect(answer.get("content-length") == "4" and answer.body == b"body", "Content-Length in odd case is ignored")


def headers_of_the_application_come_first(subject: Subject) -> None:
    answer = subject.ask("/headed_by_itself")
    got = (answer.all("server"), answer.all("date"))
    expect(got == (["itself"], ["Sun, 06 Nov 1994 08:49:37 GMT"]), f"Server, Date of the application became {got}")


def nothing_about_the_content_is_invented(subject: Subject) -> None:
    answer = subject.ask("/bare", headers=[("Accept-Encoding", "gzip, br"), ("Range", "bytes=0-1")])
    invented = {name: value for name, value in answer.headers if name in {"content-type", "cache-control", "etag"}}
    expect(not invented, f"added {invented}")
    expect(
        answer.get("content-encoding") or answer.status == 206 or answer.body == b"<html>bare</html>", "body differs"
    )


# Refused


def control_characters_in_values_raise(subject: Subject) -> None:
    raise_at_the_call(subject, [case for case in cases("a value with", "a value that") if case.split()[-1] in BREAKS])


def other_control_characters_in_values_raise(subject: Subject) -> None:
    raise_at_the_call(subject, [f"a value with {name}" for name in OTHER_CONTROLS])


def control_characters_in_the_status_raise(subject: Subject) -> None:
    raise_at_the_call(subject, [case for case in cases("a status with", "a status that") if case.split()[-1] in BREAKS])


def other_control_characters_in_the_status_raise(subject: Subject) -> None:
    raise_at_the_call(subject, [f"a status with {name}" for name in OTHER_CONTROLS])


def malformed_status_raises(subject: Subject) -> None:
    names = ("of int", "of bytes", "without a code", "of two digits", "with a space before")
    raise_at_the_call(subject, [f"a status {name}" for name in names])


def headers_that_are_no_list_raise(subject: Subject) -> None:
    raise_at_the_call(subject, cases("a tuple of", "a generator of", "a dict of"))


def headers_that_are_no_pairs_raise(subject: Subject) -> None:
    raise_at_the_call(subject, cases("a header"))


def malformed_names_raise(subject: Subject) -> None:
    raise_at_the_call(subject, cases("a name with", "an empty name", "a name beyond"))


def names_and_values_of_other_types_raise(subject: Subject) -> None:
    raise_at_the_call(subject, cases("a name of", "a value of"))


def characters_beyond_latin1_are_fatal(subject: Subject) -> None:
    for case in ("a value beyond latin-1", "a status beyond latin-1"):
        _, answer = try_case(subject, case)
        expect(answer is None or answer.status >= 500, f"{case}: answered {answer and answer.status}")


def nothing_is_injected(subject: Subject) -> None:
    """Whether the call raised or not: what follows a line break never becomes a header or a body."""
    for case in CASES:
        if not any(name in case for name in CONTROLS):
            continue
        _, answer = try_case(subject, case)
        if answer is not None:
            expect(answer.get("x-injected") is None, f"{case} became a header of its own")
            expect(answer.status >= 500 or answer.body == b"body", f"{case} became body: {answer.body[:60]!r}")


def hop_by_hop_headers_are_not_passed_on(subject: Subject) -> None:
    not_passed_on(subject, HOP_BY_HOP)


def trailer_is_not_passed_on(subject: Subject) -> None:
    not_passed_on(subject, TRAILER)


def not_passed_on(subject: Subject, only: dict[str, str]) -> None:
    """An error, as the PEP would have it, or at least not the application's value on the wire."""
    passed = []
    for name, value in only.items():
        done, answer = try_case(subject, f"hop-by-hop {name}")
        if done == "raised" or answer is None or answer.status >= 500:
            continue
        if name == "Transfer-Encoding":
            # Whether the application's value or the server's own: the framing must be right.
            if answer.body != b"body" or not answer.complete:
                passed.append(name)
        elif any(value in got for got in answer.all(name.lower())):
            passed.append(name)
    expect(not passed, f"passed on: {', '.join(passed)}")


# No body


def no_body_for_head(subject: Subject) -> None:
    for target in ("/plain", "/headed", "/bodiless?line=200%20OK"):
        with subject.connect() as connection:
            connection.request(target, "HEAD")
            head = connection.head()
            expect(head.status == 200, f"answered {head.status}")
            after_it(connection, f"HEAD {target}")


def no_body_for_statuses_without(subject: Subject) -> None:
    for line in ("204 No Content", "304 Not Modified"):
        with subject.connect() as connection:
            connection.request(f"/bodiless?line={line.replace(' ', '%20')}")
            head = connection.head()
            if head.status >= 500:
                continue
            expect(f"{head.status} {head.reason}" == line, f"{line} became {head.status} {head.reason}")
            expect(head.get("transfer-encoding") is None, f"{line} with Transfer-Encoding")
            after_it(connection, line)


def after_it(connection: Any, what: str) -> None:
    """Nothing of a body comes before the next answer, or before the end."""
    try:
        connection.request("/plain")
        raw = connection.exactly(5)
    except Exception as error:
        if getattr(error, "args", ()) == (b"",) or isinstance(error, ConnectionError):
            return
        raise Failed(f"{what}: then {error}") from None
    expect(raw == b"HTTP/", f"{what}: followed by {raw!r}")
