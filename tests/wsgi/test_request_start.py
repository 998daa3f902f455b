"""Promise: the time that a request waited in front of a trusted proxy (X-Request-Start) counts into --queue-timeout."""

from __future__ import annotations

import time

import pytest

from server import Starter


@pytest.mark.parametrize("form", ["t={:.3f}", "{:.3f}", "t={:.0f}000", "{:.0f}000000"])
def test_a_request_that_waited_long_enough_is_not_run(start: Starter, form: str) -> None:
    server = start("lab:application", "--queue-timeout", "5s")
    old, recent = (form.format(time.time() - age) for age in (60, 0))
    answer = server.ask("/hello", headers=[("X-Request-Start", old)])
    assert answer.status == 503
    assert answer.get("retry-after")
    assert '"queue-timeout"' in server.wait_log("queue-timeout")
    assert server.ask("/hello", headers=[("X-Request-Start", recent)]).status == 200
    for nonsense in ("yesterday", "t=0", "-5", "t=99999999999999999999"):
        assert server.ask("/hello", headers=[("X-Request-Start", nonsense)]).status == 200


def test_only_a_trusted_proxy_is_believed(start: Starter) -> None:
    server = start("lab:application", "--queue-timeout", "5s", "--forwarded-allow-ips", "none")
    old = f"t={time.time() - 60:.3f}"
    assert server.ask("/hello", headers=[("X-Request-Start", old)]).status == 200


def test_the_time_that_the_body_took_does_not_count(start: Starter) -> None:
    server = start("lab:application", "--queue-timeout", "1s")
    with server.connect() as client:
        headers = [("X-Request-Start", f"t={time.time():.3f}"), ("Content-Length", "3")]
        client.request("/checksum", "POST", headers)
        for byte in (b"a", b"b", b"c"):
            time.sleep(0.7)
            client.send(byte)
        assert client.answer().status == 200
