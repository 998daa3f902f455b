"""The environ dictionary: its type, its CGI variables, its wsgi.* variables."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from pep3333.pages import Environ, StartResponse, as_json, page, text
from pep3333.subject import MOUNT, Subject
from pep3333.subject import as_json as read_json
from pep3333.verdict import expect

KNOWN = {
    *("wsgi.version", "wsgi.url_scheme", "wsgi.input", "wsgi.errors"),
    *("wsgi.multithread", "wsgi.multiprocess", "wsgi.run_once"),
    # Optional in the PEP, and a convention older than most servers.
    *("wsgi.file_wrapper", "wsgi.input_terminated"),
}


@page
def seen(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Every plain value, the type of each, the type of environ itself, the PEP's reconstructed URL."""
    values = {key: value for key, value in environ.items() if isinstance(value, (str, bool, int, tuple, type(None)))}
    types = {key: type(value).__name__ for key, value in environ.items()}
    kind = f"{type(environ).__module__}.{type(environ).__qualname__}"
    return as_json(start_response, {"kind": kind, "values": values, "types": types, "url": reconstructed(environ)})


def reconstructed(environ: Environ) -> str:
    """PEP 3333, URL Reconstruction; `quote` is told that native strings are latin-1."""
    url = environ["wsgi.url_scheme"] + "://"
    if environ.get("HTTP_HOST"):
        url += environ["HTTP_HOST"]
    else:
        url += environ["SERVER_NAME"]
        if environ["SERVER_PORT"] != {"https": "443", "http": "80"}[environ["wsgi.url_scheme"]]:
            url += ":" + environ["SERVER_PORT"]
    url += quote(environ.get("SCRIPT_NAME", ""), encoding="latin-1", errors="replace")
    url += quote(environ.get("PATH_INFO", ""), encoding="latin-1", errors="replace")
    if environ.get("QUERY_STRING"):
        url += "?" + environ["QUERY_STRING"]
    return str(url)


@page
def cleared(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Leaves an environ that has nothing the server put there."""
    environ.clear()
    environ["left.behind"] = object()
    environ["REQUEST_METHOD"] = None
    return text(start_response, b"cleared")


def look(subject: Subject, target: str = "/seen", method: str = "GET", headers: Any = (), body: Any = None) -> Any:
    return subject.ask_json(target, method, headers, body)


def value(subject: Subject, name: str, *arguments: Any) -> Any:
    return look(subject, *arguments)["values"].get(name)


def is_value(subject: Subject, name: str, wanted: str, *arguments: Any) -> None:
    got = value(subject, name, *arguments)
    expect(got == wanted, f"{name} is {got!r}, not {wanted!r}")


# The dictionary


def a_builtin_dict(subject: Subject) -> None:
    kind = look(subject)["kind"]
    expect(kind == "builtins.dict", f"environ is a {kind}")


def may_be_modified(subject: Subject) -> None:
    with subject.connect() as connection:
        answer = connection.ask("/cleared")
        expect((answer.status, answer.body) == (200, b"cleared"), f"answered {answer.status} {answer.body[:60]!r}")
    expect(subject.ask("/plain").status == 200, "the next request fails")


def belongs_to_one_request(subject: Subject) -> None:
    with subject.connect() as connection:
        connection.ask("/cleared")
    for _ in range(8):
        keys = look(subject)["types"]
        expect("left.behind" not in keys and "SERVER_NAME" in keys, "a request sees what another left in environ")


def has_exact_str_for_every_cgi_variable(subject: Subject) -> None:
    types = look(subject, "/seen?a=1", "POST", [("Content-Type", "text/plain"), ("X-A", "1")], b"x")["types"]
    wrong = {key: kind for key, kind in types.items() if key == key.upper() and kind != "str"}
    expect(not wrong, f"not of type str: {wrong}")


def has_no_character_above_latin1(subject: Subject) -> None:
    headers = [("X-Raw", "caf\xc3\xa9 \xff"), ("Content-Type", "text/plain; x=\xe2\x82\xac")]
    values = look(subject, "/seen/%E2%82%AC/%F0%9F%98%80?q=%E2%82%AC", "POST", headers, b"x")["values"]
    wide = [key for key, item in values.items() if isinstance(item, str) and any(ord(char) > 255 for char in item)]
    expect(not wide, f"wider than latin-1: {wide}")


# CGI variables


def request_method(subject: Subject) -> None:
    for method in ("GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "REPORT"):
        is_value(subject, "REQUEST_METHOD", method, "/seen", method)


def script_name_and_path_info_at_the_root(subject: Subject) -> None:
    values = look(subject, "/seen/a/b/")["values"]
    expect(values.get("SCRIPT_NAME", "") == "", f"SCRIPT_NAME is {values.get('SCRIPT_NAME')!r}")
    expect(values.get("PATH_INFO") == "/seen/a/b/", f"PATH_INFO is {values.get('PATH_INFO')!r}")


def script_name_and_path_info_when_mounted(subject: Subject) -> None:
    values = subject.running(mount=MOUNT).ask_json(f"{MOUNT}/seen/a")["values"]
    got = (values.get("SCRIPT_NAME", ""), values.get("PATH_INFO"))
    expect(got == (MOUNT, "/seen/a"), f"SCRIPT_NAME, PATH_INFO are {got}")


def path_info_is_decoded(subject: Subject) -> None:
    is_value(subject, "PATH_INFO", "/seen/a b/c~d;e=f,g+h&i", "/seen/a%20b/%63%7Ed;e=f,g+h&i")


def path_info_is_decoded_once(subject: Subject) -> None:
    is_value(subject, "PATH_INFO", "/seen/%41/?/#", "/seen/%2541/%3F/%23")


def path_info_tunnels_utf8(subject: Subject) -> None:
    is_value(subject, "PATH_INFO", "/seen/\xc3\xa9/\xe2\x82\xac", "/seen/%C3%A9/%E2%82%AC")


def path_info_tunnels_any_byte(subject: Subject) -> None:
    is_value(subject, "PATH_INFO", "/seen/\xff\xfe\x80", "/seen/%FF%FE%80")


def path_info_keeps_empty_segments(subject: Subject) -> None:
    is_value(subject, "PATH_INFO", "/seen//a///b/", "/seen//a///b/")


def query_string(subject: Subject) -> None:
    is_value(subject, "QUERY_STRING", "a=%20b+c&d?e=/f;%E9", "/seen?a=%20b+c&d?e=/f;%E9")


def query_string_empty_or_absent(subject: Subject) -> None:
    for target in ("/seen", "/seen?"):
        got = value(subject, "QUERY_STRING", target)
        expect(got in (None, "") and look(subject, target)["types"].get("QUERY_STRING", "str") == "str", f"is {got!r}")


def content_type(subject: Subject) -> None:
    kind = 'multipart/x; boundary="a b"'
    is_value(subject, "CONTENT_TYPE", kind, "/seen", "POST", [("content-type", kind)], b"x")


def content_type_empty_or_absent(subject: Subject) -> None:
    for method, body in (("GET", None), ("POST", b"x")):
        seen = look(subject, "/seen", method, (), body)
        expect(seen["values"].get("CONTENT_TYPE", "") == "", f"{method}: {seen['values'].get('CONTENT_TYPE')!r}")


def content_length(subject: Subject) -> None:
    is_value(subject, "CONTENT_LENGTH", "5", "/seen", "POST", (), b"12345")


def content_length_empty_or_absent(subject: Subject) -> None:
    seen = look(subject)
    expect(seen["values"].get("CONTENT_LENGTH", "") == "", f"is {seen['values'].get('CONTENT_LENGTH')!r}")


def server_name_and_port_are_never_empty(subject: Subject) -> None:
    for version, host in (("1.1", "test.example"), ("1.0", None)):
        with subject.connect() as connection:
            connection.request("/seen", version=version, host=host)
            values = read_json(connection.answer())["values"]
        expect(values.get("SERVER_NAME"), f"HTTP/{version}: SERVER_NAME is {values.get('SERVER_NAME')!r}")
        port = values.get("SERVER_PORT")
        expect(isinstance(port, str) and port.isdigit(), f"HTTP/{version}: SERVER_PORT is {port!r}")


def server_protocol(subject: Subject) -> None:
    for version in ("1.1", "1.0"):
        with subject.connect() as connection:
            connection.request("/seen", version=version)
            got = read_json(connection.answer())["values"].get("SERVER_PROTOCOL")
        expect(got == f"HTTP/{version}", f"SERVER_PROTOCOL is {got!r} in a request by HTTP/{version}")


def http_variables(subject: Subject) -> None:
    headers = [("X-One", "1 and, more"), ("x-two-TWO", "2"), ("Accept", "a/b;q=0.5")]
    values = look(subject, "/seen", "GET", headers)["values"]
    got = {key: values.get(key) for key in ("HTTP_X_ONE", "HTTP_X_TWO_TWO", "HTTP_ACCEPT", "HTTP_HOST")}
    wanted = ["1 and, more", "2", "a/b;q=0.5", "test.example"]
    expect(list(got.values()) == wanted, f"got {got}")


def http_variables_of_empty_headers(subject: Subject) -> None:
    values = look(subject, "/seen", "GET", [("X-Empty", "")])["values"]
    expect(values.get("HTTP_X_EMPTY") == "", f"HTTP_X_EMPTY is {values.get('HTTP_X_EMPTY')!r}")


def http_variables_only_of_headers_sent(subject: Subject) -> None:
    sent = {"HTTP_HOST", "HTTP_X_ONE"}
    got = {key for key in look(subject, "/seen", "GET", [("X-One", "1")])["types"] if key.startswith("HTTP_")}
    expect(got == sent, f"not in the request: {sorted(got - sent)}; lost: {sorted(sent - got)}")


def http_variables_not_of_content_headers(subject: Subject) -> None:
    types = look(subject, "/seen", "POST", [("Content-Type", "a/b")], b"x")["types"]
    doubled = {"HTTP_CONTENT_TYPE", "HTTP_CONTENT_LENGTH"} & types.keys()
    expect(not doubled, f"{sorted(doubled)} beside CONTENT_TYPE and CONTENT_LENGTH")


def http_variables_of_repeated_headers(subject: Subject) -> None:
    headers = [("X-List", "one"), ("X-List", "two"), ("Accept", "a/b"), ("Accept", "c/d")]
    values = look(subject, "/seen", "GET", headers)["values"]
    got = [re.split(r",\s*", values.get(key) or "") for key in ("HTTP_X_LIST", "HTTP_ACCEPT")]
    expect(got == [["one", "two"], ["a/b", "c/d"]], f"got {got}")


def http_variables_of_repeated_cookies(subject: Subject) -> None:
    got = value(subject, "HTTP_COOKIE", "/seen", "GET", [("Cookie", "a=1"), ("Cookie", "b=2")])
    expect(
        re.fullmatch(r"a=1; ?b=2", got or ""), f"HTTP_COOKIE is {got!r}; a ',' does not part cookies (RFC 6265 4.2.1)"
    )


def http_variables_tunnel_bytes(subject: Subject) -> None:
    wanted = "caf\xe9 \xc3\xa9 \xff"
    is_value(subject, "HTTP_X_RAW", wanted, "/seen", "GET", [("X-Raw", wanted)])


def further_cgi_variables(subject: Subject) -> None:
    values = look(subject)["values"]
    expect(values.get("REMOTE_ADDR") == "127.0.0.1", f"REMOTE_ADDR is {values.get('REMOTE_ADDR')!r}")
    expect(values.get("SERVER_SOFTWARE"), "no SERVER_SOFTWARE")


def missing_variables_are_left_out(subject: Subject) -> None:
    seen = look(subject)
    there = {"REMOTE_USER", "REMOTE_IDENT", "AUTH_TYPE", "HTTPS"} & seen["types"].keys()
    nothing = [key for key, kind in seen["types"].items() if kind == "NoneType"]
    expect(not there and not nothing, f"present although there is none: {sorted(there) + nothing}")


# wsgi.* and the server's own


def wsgi_version(subject: Subject) -> None:
    seen = look(subject)
    got = (seen["types"].get("wsgi.version"), seen["values"].get("wsgi.version"))
    expect(got == ("tuple", [1, 0]), f"wsgi.version is {got}")


def wsgi_url_scheme(subject: Subject) -> None:
    is_value(subject, "wsgi.url_scheme", "http")


def wsgi_keys_are_complete(subject: Subject) -> None:
    missing = KNOWN - {"wsgi.file_wrapper", "wsgi.input_terminated"} - look(subject)["types"].keys()
    expect(not missing, f"missing: {sorted(missing)}")


def wsgi_multithread_with_threads(subject: Subject) -> None:
    expect(value(subject, "wsgi.multithread"), "false with 4 threads")


def wsgi_multithread_with_one_thread(subject: Subject) -> None:
    got = subject.one.ask_json("/seen")["values"]["wsgi.multithread"]
    expect(not got, f"{got!r} with one thread")


def wsgi_multiprocess(subject: Subject) -> None:
    got = value(subject, "wsgi.multiprocess")
    expect(got is not None and not got, f"{got!r} with one process")


def wsgi_run_once(subject: Subject) -> None:
    got = value(subject, "wsgi.run_once")
    expect(got is not None and not got, f"{got!r} in a server")


def own_variables_are_named_by_the_rule(subject: Subject) -> None:
    """All upper case is a CGI or environment variable; everything else is the server's own."""
    own = {key for key in look(subject)["types"] if key != key.upper()} - KNOWN
    wrong = sorted(key for key in own if not re.fullmatch(r"(?!wsgi\.)[a-z0-9_]+\.[a-z0-9_.]+", key))
    expect(not wrong, f"{wrong}")


# URL reconstruction


def url_with_host(subject: Subject) -> None:
    for target in ("/seen", "/seen/a%20b/%C3%A9?x=%20&y"):
        got = look(subject, target)["url"]
        expect(got == f"http://test.example{target}", f"{got!r} for {target!r}")


def url_without_host(subject: Subject) -> None:
    with subject.connect() as connection:
        connection.request("/seen", version="1.0", host=None)
        got = read_json(connection.answer())["url"]
    expect(re.fullmatch(rf"http://[^/:]+:{subject.many.port}/seen", got), f"{got!r} does not lead back to the server")


def url_when_mounted(subject: Subject) -> None:
    got = subject.running(mount=MOUNT).ask_json(f"{MOUNT}/seen/a%20b?x")["url"]
    expect(got == f"http://test.example{MOUNT}/seen/a%20b?x", f"{got!r}")
