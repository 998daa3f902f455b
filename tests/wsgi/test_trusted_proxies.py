"""Promise: trusted proxies say who the client is and how it came; from anyone else such headers never arrive."""

from __future__ import annotations

import json
import socket
from typing import Any

import pytest

from server import Face, Server, Starter
from wire import TIMEOUT, Connection, Headers

SPEAKING = [
    ("X-Forwarded-For", "6.6.6.6"),
    ("X-Forwarded-Proto", "https"),
    ("X-Forwarded-Host", "evil.example"),
    ("X-Forwarded-Port", "666"),
    ("X-Forwarded-Prefix", "/evil"),
    ("X-Forwarded-User", "root"),
    ("X-Forwarded-Ssl", "on"),
    ("X-Real-IP", "6.6.6.6"),
    ("Forwarded", "for=6.6.6.6;proto=https;host=evil.example"),
]


def environ(server: Server, headers: Headers = (), target: str = "/environ", **rest: Any) -> Any:
    with server.connect() as client:
        client.request(target, headers=headers, **rest)
        answer = client.answer()
    assert answer.status == 200, answer
    return json.loads(answer.body)["plain"]


def spoken(seen: dict[str, Any]) -> list[str]:
    """Keys that would speak for a client."""
    return sorted(key for key in seen if "FORWARDED" in key or key == "HTTP_X_REAL_IP")


def test_the_nginx_of_the_same_pod_is_trusted_by_default(lab: Server) -> None:
    headers = [("X-Forwarded-For", "6.6.6.6, 1.2.3.4"), ("X-Forwarded-Proto", "https")]
    seen = environ(lab, headers)
    assert (seen["REMOTE_ADDR"], seen["REMOTE_PORT"]) == ("1.2.3.4", "")
    assert (seen["wsgi.url_scheme"], seen["HTTP_HOST"], seen["SERVER_PORT"]) == ("https", "test.example", "443")
    # As it came, so that ProxyFix(x_for=1) comes to the same.
    assert seen["HTTP_X_FORWARDED_FOR"] == "6.6.6.6, 1.2.3.4"


def test_every_header_has_its_place(lab: Server) -> None:
    headers = [
        ("X-Forwarded-For", "[2001:db8::1]:56"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", "www.example"),
        ("X-Forwarded-Port", "8443"),
        ("X-Forwarded-Prefix", "/shop/"),
    ]
    seen = environ(lab, headers)
    assert (seen["REMOTE_ADDR"], seen["REMOTE_PORT"]) == ("2001:db8::1", "56")
    assert (seen["wsgi.url_scheme"], seen["HTTP_HOST"]) == ("https", "www.example:8443")
    assert (seen["SERVER_NAME"], seen["SERVER_PORT"]) == ("www.example", "8443")
    assert (seen["SCRIPT_NAME"], seen["PATH_INFO"]) == ("/shop", "/environ")


def test_forwarded(lab: Server) -> None:
    forwarded = 'for="[2001:db8::1]:56";proto=https;host="www.example:8443"'
    seen = environ(lab, [("Forwarded", f'for=", for=6.6.6.6, {forwarded}')])
    assert (seen["REMOTE_ADDR"], seen["REMOTE_PORT"]) == ("2001:db8::1", "56")
    assert (seen["wsgi.url_scheme"], seen["HTTP_HOST"]) == ("https", "www.example:8443")


def test_forwarded_beside_x_forwarded_is_the_clients_own_and_goes(lab: Server) -> None:
    seen = environ(lab, [("Forwarded", "for=6.6.6.6;host=evil.example"), ("X-Forwarded-For", "1.2.3.4")])
    assert (seen["REMOTE_ADDR"], seen["HTTP_HOST"]) == ("1.2.3.4", "test.example")
    assert spoken(seen) == ["HTTP_X_FORWARDED_FOR"]


@pytest.mark.parametrize(
    "headers",
    [
        [("X-Forwarded-For", "unknown"), ("X-Forwarded-Proto", "gopher"), ("X-Forwarded-Host", "a/b")],
        [("X-Forwarded-For", ""), ("X-Forwarded-Port", "0"), ("X-Forwarded-Prefix", "//evil.example")],
        [("Forwarded", 'for="1.2.3.4')],
        [("X-Real-IP", "6.6.6.6")],
    ],
)
def test_what_is_malformed_changes_nothing(lab: Server, headers: Headers) -> None:
    seen = environ(lab, headers)
    assert (seen["REMOTE_ADDR"], seen["wsgi.url_scheme"]) == ("127.0.0.1", "http")
    assert (seen["HTTP_HOST"], seen["SERVER_PORT"], seen["SCRIPT_NAME"]) == ("test.example", str(lab.port), "")


@pytest.mark.parametrize("version", ["1.1", "1.0"])
@pytest.mark.parametrize("first", [True, False], ids=["before", "after"])
def test_a_name_with_underscores_speaks_for_nobody(lab: Server, first: bool, version: str) -> None:
    """CVE-2024-45614: such a header of the client, which its proxy passes on, is no header of the proxy."""
    told = [("X-Forwarded-For", "1.2.3.4"), ("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "www.example")]
    names = ["X_Forwarded_For", "X-Forwarded_For", "x_forwarded-for", "X_Forwarded_Proto", "X_Forwarded_Host"]
    names += ["X_Forwarded_Prefix", "X_Forwarded_Port", "X_Real_IP", "X_Forwarded_User"]
    forged = [(name, "6.6.6.6") for name in names]
    seen = environ(lab, [*forged, *told] if first else [*told, *forged], version=version)
    assert (seen["REMOTE_ADDR"], seen["wsgi.url_scheme"], seen["HTTP_HOST"]) == ("1.2.3.4", "https", "www.example")
    assert (seen["HTTP_X_FORWARDED_FOR"], seen["SCRIPT_NAME"]) == ("1.2.3.4", "")
    assert spoken(seen) == ["HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_HOST", "HTTP_X_FORWARDED_PROTO"]
    assert "6.6.6.6" not in seen.values()
    alone = environ(lab, forged, version=version)
    assert (alone["REMOTE_ADDR"], spoken(alone)) == ("127.0.0.1", [])


def test_a_forwarded_host_does_not_excuse_a_bad_host(lab: Server) -> None:
    with lab.connect() as client:
        client.request("/environ", headers=[("Host", "b"), ("X-Forwarded-Host", "www.example")])
        assert client.answer().status == 400


def test_the_next_request_of_the_connection_is_identified_anew(lab: Server) -> None:
    with lab.connect() as client:
        for address in ("1.2.3.4", "5.6.7.8", None):
            headers = [("X-Forwarded-For", address)] if address else []
            seen = json.loads(client.ask("/environ", headers=headers).body)["plain"]
            assert seen["REMOTE_ADDR"] == (address or "127.0.0.1")


def test_whoever_is_not_trusted_speaks_for_nobody(start: Starter) -> None:
    server = start("lab:application", "--forwarded-allow-ips", "10.0.0.0/8,none")
    with server.connect() as client:
        port = client.sock.getsockname()[1]
        seen = json.loads(client.ask("/environ", headers=[*SPEAKING, ("X-Fine", "1")]).body)["plain"]
    assert (seen["REMOTE_ADDR"], seen["REMOTE_PORT"]) == ("127.0.0.1", str(port))
    assert (seen["wsgi.url_scheme"], seen["HTTP_HOST"], seen["SCRIPT_NAME"]) == ("http", "test.example", "")
    assert (spoken(seen), seen["HTTP_X_FINE"]) == ([], "1")
    environ(server, SPEAKING)
    assert server.terminate() == 0
    assert server.log().count("untrusted-proxy") == 1
    assert "--forwarded-allow-ips" in server.wait_log("untrusted-proxy")
    assert "6.6.6.6" not in server.log()


def test_nothing_is_warned_of_where_no_address_is_forwarded(start: Starter) -> None:
    server = start("lab:application", "--forwarded-allow-ips", "none")
    environ(server, [("X-Real-IP", "6.6.6.6"), ("X-Forwarded-Proto", "https")])
    assert server.terminate() == 0
    assert "untrusted-proxy" not in server.log()


@pytest.mark.parametrize(
    ("peers", "client"),
    [
        ("127.0.0.1", "10.0.0.1"),
        ("127.0.0.0/8, 10.0.0.1", "1.2.3.4"),
        ("private", "1.2.3.4"),
        # Any peer speaks, and still a public address is a client, who may have written what is left of it.
        ("*", "1.2.3.4"),
        ("*,1.2.3.0/24", "6.6.6.6"),
    ],
)
def test_hops_are_followed_as_far_as_they_are_trusted(start: Starter, peers: str, client: str) -> None:
    server = start("lab:application", env={"FORWARDED_ALLOW_IPS": peers})
    assert environ(server, [("X-Forwarded-For", "6.6.6.6, 1.2.3.4, 10.0.0.1")])["REMOTE_ADDR"] == client


def test_only_the_listed_address_is_trusted(start: Starter) -> None:
    server = start("lab:application", "--forwarded-allow-ips", "127.0.0.2")
    for source, client in (("127.0.0.2", "1.2.3.4"), ("127.0.0.3", "127.0.0.3")):
        sock = socket.create_connection(("127.0.0.1", server.port), TIMEOUT, (source, 0))
        with Connection(sock) as connection:
            answer = connection.ask("/environ", headers=[("X-Forwarded-For", "1.2.3.4")])
        assert json.loads(answer.body)["plain"]["REMOTE_ADDR"] == client


def test_a_unix_socket_is_trusted(start: Starter, tmp_path: Any) -> None:
    server = start("lab:application", "--forwarded-allow-ips", "none", bind=(f"unix:{tmp_path}/s",))
    assert environ(server, [("X-Forwarded-For", "1.2.3.4")])["REMOTE_ADDR"] == "1.2.3.4"
    assert environ(server)["REMOTE_ADDR"] == ""


@pytest.mark.parametrize(
    ("target", "prefix", "script_name", "path"),
    [
        ("/environ", None, "/app", "/environ"),
        ("/app/environ", None, "/app", "/environ"),
        ("/app/environ", "/outer", "/outer/app", "/environ"),
        ("/environ", "/outer/app", "/outer/app", "/environ"),
        ("/app/environ", "/app", "/app", "/environ"),
        ("/environ", "/app", "/app", "/environ"),
    ],
)
def test_the_prefix_stands_before_the_root_path(
    rooted: Server, target: str, prefix: str | None, script_name: str, path: str
) -> None:
    seen = environ(rooted, [("X-Forwarded-Prefix", prefix)] if prefix else [], target)
    assert (seen["SCRIPT_NAME"], seen["PATH_INFO"]) == (script_name, path)
    assert seen["RAW_URI"] == target


@pytest.fixture(scope="module")
def rooted(start_once: Starter) -> Server:
    return start_once("lab:application", "--root-path", "/app")


def test_the_access_record_names_the_client(start: Starter) -> None:
    server = start("lab:application", "--log-format", "json", "--max-body-size", "9")
    server.ask("/hello", headers=[("X-Forwarded-For", "1.2.3.4")])
    with server.connect() as client:
        client.request("/hello", "POST", [("X-Forwarded-For", "1.2.3.4"), ("Content-Length", "10")])
        assert client.answer().status == 413
    assert server.terminate() == 0
    records = [json.loads(line) for line in server.log().splitlines()]
    access = [record for record in records if record.get("path") == "/hello"]
    assert [(record["client"], record["status"]) for record in access] == [("1.2.3.4", 200), ("1.2.3.4", 413)]


def test_peers_that_are_no_addresses_are_refused(face: Face) -> None:
    for options, env, said in (
        (["--forwarded-allow-ips", "nginx"], {}, "--forwarded-allow-ips wants addresses"),
        ([], {"FORWARDED_ALLOW_IPS": "10.0.0.0/33"}, "FORWARDED_ALLOW_IPS wants addresses"),
    ):
        ended = face.run("check", "lab:application", *options, env=env)
        assert ended.returncode == (64 if options else 78)
        assert said in ended.stderr + ended.stdout
