"""`flask monopod`: the application that Flask's command has found (`--app`, FLASK_APP, a factory), served by monopod.

With the options of `flask run` but for those of TLS and threads: with `--debug` there is Werkzeug's debugger and reloader,
and the port stays open while the application is loaded anew.
"""

import logging
import os
import socket
import sys
import traceback
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import click
from flask.cli import ScriptInfo, SeparatedPathType, pass_script_info, show_server_banner
from flask.helpers import get_debug_flag
from werkzeug._reloader import run_with_reloader
from werkzeug.debug import DebuggedApplication
from werkzeug.serving import is_running_from_reloader

from monopod import Server, _handover, serve
from monopod._serve import visible

if TYPE_CHECKING:
    from monopod.annotations import Application, Options


def _set_debug(context: click.Context, parameter: click.Parameter, value: bool) -> bool | None:
    """As Flask's own: before the application is loaded, which reads it."""
    source = context.get_parameter_source(parameter.name or "")
    if source in (click.core.ParameterSource.DEFAULT, click.core.ParameterSource.DEFAULT_MAP):
        return None
    os.environ["FLASK_DEBUG"] = "1" if value else "0"
    return value


def _instead(sentence: str) -> "Callable[[click.Context, click.Parameter, Any], None]":
    """For an option of `flask run` that has none here."""

    def refuse(_context: click.Context, parameter: click.Parameter, value: Any) -> None:
        # `--with-threads` is so.
        if value is not None and value is not True:
            raise click.BadParameter(sentence, param=parameter)

    return refuse


_NO_TLS = "monopod does not speak TLS: put a proxy in front that does, or use `flask run`"
UNIX = "unix://"


@click.command("monopod", short_help="Run the application with monopod.")
@click.option(
    "--debug/--no-debug", default=None, is_eager=True, expose_value=False, callback=_set_debug, help="Set debug mode."
)
@click.option(
    "--host",
    "-h",
    default="127.0.0.1",
    envvar=["FLASK_MONOPOD_HOST", "FLASK_RUN_HOST"],
    show_default=True,
    help="The interface to bind to, or unix:///path.",
)
@click.option(
    "--port",
    "-p",
    type=click.IntRange(0, 65535),
    default=5000,
    envvar=["FLASK_MONOPOD_PORT", "FLASK_RUN_PORT"],
    show_default=True,
    help="The port to bind to; 0 for a free one.",
)
@click.option(
    "--threads", type=click.IntRange(1, 512), help="Threads that run Python.  [default: 4 per CPU, from 4 to 32]"
)
@click.option("--reload/--no-reload", default=None, help="Reload on changes. By default in debug mode.")
@click.option("--debugger/--no-debugger", default=None, help="Show the debugger. By default in debug mode.")
@click.option(
    "--extra-files",
    default=None,
    type=SeparatedPathType(),
    help=f"More files whose change reloads, separated by {os.path.pathsep!r}.",
)
@click.option(
    "--exclude-patterns",
    default=None,
    type=SeparatedPathType(),
    help=f"Patterns of files whose change does not, separated by {os.path.pathsep!r}.",
)
@click.option("--cert", hidden=True, expose_value=False, callback=_instead(_NO_TLS))
@click.option("--key", hidden=True, expose_value=False, callback=_instead(_NO_TLS))
@click.option(
    "--with-threads/--without-threads",
    default=None,
    hidden=True,
    expose_value=False,
    callback=_instead("monopod always has threads: say how many by --threads, which may be 1"),
)
@pass_script_info
def command(
    info: ScriptInfo,
    host: str,
    port: int,
    threads: int | None,
    reload: bool | None,
    debugger: bool | None,
    extra_files: list[str] | None,
    exclude_patterns: list[str] | None,
) -> None:
    """Run the application with monopod.

    With --debug for development, with reloader and debugger; without it as the command `monopod` would, but for what that
    reads from the environment and its configuration file.
    """
    app = _loaded(info)
    debug = get_debug_flag()
    reload = debug if reload is None else reload
    debugger = debug if debugger is None else debugger
    if debugger:
        app = DebuggedApplication(app, evalex=True)
        if not host.startswith(UNIX):
            app.trusted_hosts.append(host)
    if not is_running_from_reloader():
        show_server_banner(debug, info.app_import_path)
    options: Options = {"threads": threads}
    if debug or debugger:
        # Nobody is to be hurried who sits at a breakpoint.
        options.update({"timeout": 0, "slow_request": 0, "queue_timeout": "5m"})
        # And Ctrl-C does not wait for them.
        options["graceful_timeout"] = 0
    try:
        if reload:
            _reload(app, host, port, options, extra_files, exclude_patterns)
        else:
            with visible(always=True):
                serve(app, bind=_address(host, port), live=debug, **options)
    except OSError as error:
        raise click.ClickException(str(error.args[-1])) from error
    except ValueError as error:
        raise click.ClickException(str(error)) from error


def _loaded(info: ScriptInfo) -> "Application":
    try:
        return info.load_app()
    except Exception as error:
        if not is_running_from_reloader():
            raise
        # Shown now, and to whoever asks until it is mended.
        traceback.print_exc()
        failed = error

        def raises(_environ: Any, _start_response: Any) -> Iterable[bytes]:
            raise failed from None

        return raises


def _reload(
    app: "Application",
    host: str,
    port: int,
    options: "Options",
    extra_files: list[str] | None,
    exclude_patterns: list[str] | None,
) -> None:
    ipv6 = ":" in host
    kept: socket.socket | None = None
    # The path of a Unix socket is there for the next process in any case.
    is_unix = host.startswith(UNIX)
    if not is_unix and not is_running_from_reloader():
        kept = _handover.hand_over(host, port, ipv6=ipv6)

    def main() -> None:
        with ExitStack() as held:
            bind = _address(host, port)
            if not is_unix:
                bind = f"fd://{held.enter_context(_handover.listen(host, port, ipv6=ipv6)).fileno()}"
            held.enter_context(visible(always=True))
            server = Server(app, bind=bind, live=True, **options)
            held.enter_context(_handover.serving(server))
            server.wait()

    logging.getLogger("werkzeug").setLevel(logging.INFO)
    try:
        run_with_reloader(main, extra_files, exclude_patterns)
    finally:
        sys.stdout.flush()
        if kept is not None:
            kept.close()


def _address(host: str, port: int) -> str:
    if host.startswith(UNIX):
        return f"unix:{host.removeprefix(UNIX)}"
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
