"""Promise: a request that is longer in the application than --slow-request is told of once, with its Python stack."""

from __future__ import annotations

from gate import Gate
from records import JSON, found, wait, wait_access
from server import Starter


def test_where_a_slow_request_stands(start: Starter, gate: Gate) -> None:
    server = start("logs:application", "--slow-request", "200ms", "--threads", "2", *JSON)
    with server.connect() as client:
        client.request(f"/waits?gate={gate.port}", headers=[("X-Request-ID", "slow-one")])
        visitor = gate.wait("waits")
        told = wait(server, reason="slow-request")
        assert (told["level"], told["method"], told["path"]) == ("WARN", "GET", "/waits")
        assert told["request_id"] == "slow-one"
        assert 0.2 <= told["seconds"] < 20
        assert "where_it_waits" in told["stack"]
        # Another one that is quick, while time goes on.
        assert server.ask("/hello").status == 200
        visitor.let_through()
        assert client.answer().body == b"waited"
    access = wait_access(server, "/waits")
    assert access["request_id"] == "slow-one"
    assert 200 <= access["app_ms"] <= access["total_ms"]
    assert server.terminate() == 0
    assert len(found(server, reason="slow-request")) == 1


def test_nothing_is_slow_enough_for_0(start: Starter, gate: Gate) -> None:
    server = start("logs:application", "--slow-request", "0", "--timeout", "300ms", *JSON)
    assert server.ask(f"/waits?gate={gate.port}").status == 504
    visitor = gate.wait("waits")
    told = wait(server, reason="app-timeout", level="WARN")
    assert "where_it_waits" in told["stack"]
    visitor.let_through()
    assert wait_access(server, "/waits")["app_ms"] >= 300
    assert not found(server, reason="slow-request")


def test_the_time_in_the_queue_is_told_apart(start: Starter, gate: Gate) -> None:
    server = start("logs:application", "--threads", "1", "--slow-request", "100ms", *JSON)
    with server.connect() as first, server.connect() as second:
        first.request(f"/waits?gate={gate.port}")
        visitor = gate.wait("waits")
        second.request("/hello")
        wait(server, reason="slow-request")
        visitor.let_through()
        assert second.answer().status == 200
    access = wait_access(server, "/hello")
    assert 0 < access["queue_ms"] <= access["total_ms"]
    assert wait_access(server, "/waits")["app_ms"] >= 100
    assert server.terminate() == 0
    assert [record["path"] for record in found(server, reason="slow-request")] == ["/waits"]
