"""Fixtures that serve an application by monopod while a test runs, as its users would have it.

`monopod_server` serves what the fixture `monopod_app` gives: by default that of the fixture `app` (pytest-flask's name for
it), else Django's application where Django is configured (pytest-django). Override `monopod_app` for any other.
`serve_app` starts any number of servers. Nothing is imported or done until one of the fixtures is used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Protocol

import pytest

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from monopod import Server
    from monopod.annotations import Application, Options, Values

__all__ = [
    "LiveServer",
    "ServeApp",
    "monopod_app",
    "monopod_options",
    "monopod_server",
    "monopod_session_app",
    "monopod_session_server",
    "serve_app",
]


# Fixtures of pytest-django by which a test says itself how it wants the database.
DATABASE = {"db", "transactional_db", "django_db_reset_sequences", "django_db_serialized_rollback"}


# A wrapper, as pytest-django's own is a first one too.
@pytest.hookimpl(hookwrapper=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> Iterator[None]:
    """Give tests with a `monopod_server` database access as pytest-django gives it to those with its `live_server`.

    What the test writes has to be committed, or the server's threads do not see it. Here, as pytest-django decides by
    marks and by the names of fixtures, and before it sorts the tests.
    """
    if config.pluginmanager.hasplugin("django") and _django_is_configured():
        for item in items:
            names = set(getattr(item, "fixturenames", ()))
            if "monopod_server" in names and not names & DATABASE and item.get_closest_marker("django_db") is None:
                item.add_marker(pytest.mark.django_db(transaction=True))
    yield


class LiveServer:
    """A running server: `str()` is its URL, and `server + "/path"` that of a page."""

    def __init__(self, server: Server, app: Application) -> None:
        self.server = server
        """The `monopod.Server`."""
        self.app = app
        """What it serves."""

    @property
    def url(self) -> str:
        """`http://127.0.0.1:PORT`."""
        return self.server.url

    @property
    def host(self) -> str:
        """The address without the port; RuntimeError for a Unix socket."""
        address = self.server.address
        if isinstance(address, str):
            raise RuntimeError("a Unix socket has no host")
        return str(address[0])

    @property
    def port(self) -> int:
        """The port."""
        return self.server.port

    def stop(self, timeout: float | None = None) -> bool:
        """Stop it before the test's end, as `monopod.Server.stop`."""
        return self.server.stop(timeout)

    def __str__(self) -> str:
        return self.url

    def __add__(self, path: str) -> str:
        return self.url + path

    def __repr__(self) -> str:
        return f"<LiveServer {self.url}>"


class ServeApp(Protocol):
    """What the fixture `serve_app` is."""

    def __call__(
        self, app: Application, *, bind: Values = ..., live: bool = ..., **options: Unpack[Options]
    ) -> LiveServer:
        """Start a server, which ends with the test; options as those of `monopod.Server`."""


@pytest.fixture
def serve_app() -> Iterator[ServeApp]:
    """Start servers: `server = serve_app(app, threads=2)`. They end with the test."""
    with _servers() as serve:
        yield serve


@pytest.fixture
def monopod_options() -> Options:
    """Options of `monopod_server`, as those of `monopod.Server`; override it to have others."""
    return {}


@pytest.fixture
def monopod_app(request: pytest.FixtureRequest) -> Any:
    """The application of `monopod_server`; override it to serve another one."""
    return _found(request)


@pytest.fixture
def monopod_server(
    request: pytest.FixtureRequest, monopod_app: Application, monopod_options: Options
) -> Iterator[LiveServer]:
    """The application of `monopod_app`, served while the test runs.

    With pytest-django the test has database access as with its `live_server`: a transactional one, unless it asks for
    another itself, and a database in memory is shared with the server's threads.
    """
    # The server ends before its database and its hosts are gone.
    with _wrapped(request, monopod_app, monopod_options) as (app, live, options), _servers() as serve:
        # `live` may be said there, though it is no option of the command.
        said: dict[str, Any] = {"live": live, **options}
        yield serve(app, **said)


@pytest.fixture(scope="session")
def monopod_session_app(request: pytest.FixtureRequest) -> Any:
    """The application of `monopod_session_server`; override it, with scope `session`, to serve another one."""
    return _found(request)


@pytest.fixture(scope="session")
def monopod_session_server(request: pytest.FixtureRequest, monopod_session_app: Application) -> Iterator[LiveServer]:
    """The application of `monopod_session_app`, served by one server for all tests.

    With pytest-django a test that needs the database asks for `transactional_db` itself, and a database in memory cannot
    be shared: name a file for it, in DATABASES["default"]["TEST"]["NAME"].
    """
    if _is_django(monopod_session_app):
        with _django_hosts(), _servers() as serve:
            yield serve(_django_handler(monopod_session_app, {}), live=True)
    else:
        with _servers() as serve:
            yield serve(monopod_session_app)


@contextmanager
def _servers() -> Iterator[ServeApp]:
    from monopod import Server

    with ExitStack() as running:

        def serve(
            app: Application, *, bind: Values = "127.0.0.1:0", live: bool = False, **options: Unpack[Options]
        ) -> LiveServer:
            server = running.enter_context(_stopped_soon(Server(app, bind=bind, live=live, **options)))
            return LiveServer(server, app)

        yield serve


@contextmanager
def _stopped_soon(server: Server) -> Iterator[Server]:
    """A request that nobody waits for any more is not to keep the tests."""
    server.start()
    try:
        yield server
    finally:
        server.stop(5)


def _found(request: pytest.FixtureRequest) -> Any:
    name = "app"
    try:
        return request.getfixturevalue(name)
    except pytest.FixtureLookupError as error:
        # Another one may be missing that it asks for.
        if error.argname != name:
            raise
    if request.config.pluginmanager.hasplugin("django") and _django_is_configured():
        from django.core.servers.basehttp import get_internal_wsgi_application  # type: ignore[import-untyped]

        return get_internal_wsgi_application()
    pytest.fail(
        f"there is no application to serve: override the fixture `{request.fixturename}`, or have a fixture `app`, or "
        "configure Django by pytest-django",
        pytrace=False,
    )


def _django_is_configured() -> bool:
    from pytest_django.lazy_django import django_settings_is_configured

    return bool(django_settings_is_configured())


def _is_django(app: Any) -> bool:
    import sys

    module = sys.modules.get("django.core.servers.basehttp")
    wsgi = sys.modules.get("django.core.handlers.wsgi")
    if wsgi is None:
        return False
    # WSGI_APPLICATION may have something around it.
    return isinstance(app, wsgi.WSGIHandler) or (module is not None and app is module.get_internal_wsgi_application())


@contextmanager
def _wrapped(
    request: pytest.FixtureRequest, app: Application, options: Options
) -> Iterator[tuple[Application, bool, Options]]:
    """Django's application with what a test's database and hosts need; any other as it is."""
    if not _is_django(app):
        yield app, False, options
        return
    # The database is to be the tests' before anybody looks which one it is.
    for name in DATABASE & set(request.fixturenames):
        request.getfixturevalue(name)
    from django.db import connections  # type: ignore[import-untyped]

    shared = {
        connection.alias: connection
        for connection in connections.all()
        if connection.vendor == "sqlite" and connection.is_in_memory_db()
    }
    # One connection is one transaction: threads that share it must not run side by side.
    defaults: Options = {"threads": 1} if shared else {}
    for connection in shared.values():
        connection.inc_thread_sharing()
    try:
        with _django_hosts():
            yield _django_handler(app, shared), True, {**defaults, **options}
    finally:
        for connection in shared.values():
            connection.dec_thread_sharing()


def _django_handler(app: Application, shared: dict[str, Any]) -> Application:
    from monopod.contrib.django.handlers import SharedConnections

    handler: Callable[..., Any] = SharedConnections(app, shared)
    return handler


@contextmanager
def _django_hosts() -> Iterator[None]:
    """Ours into the list that the tests have: settings that are replaced have to be put back in turn, which fixtures of
    several scopes do not."""
    from django.conf import settings  # type: ignore[import-untyped]

    hosts, ours = settings.ALLOWED_HOSTS, ["127.0.0.1", "localhost"]
    hosts += ours
    try:
        yield
    finally:
        for host in ours:
            # The last, which is not the project's own.
            del hosts[len(hosts) - 1 - hosts[::-1].index(host)]
