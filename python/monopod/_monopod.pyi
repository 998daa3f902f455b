"""The native part of monopod."""

from collections.abc import Sequence
from os import PathLike
from types import TracebackType
from typing import Any, Final, final

from typing_extensions import Unpack, disjoint_base

from monopod.annotations import Application, Options, Values

__all__ = ["CompressReport", "Server", "compress", "default_threads", "main", "options", "version"]

version: Final[str]
"""Version of monopod, such as `0.1.0`."""

def main(argv: list[str]) -> int:
    """Run the `monopod` command with `argv` (the program's name first) and return its exit code (sysexits.h).

    Call it on the main thread. A server that has served leaves the process and does not return.
    """

@final
class CompressReport:
    """What a run of `compress` did; `str()` is one sentence."""

    @property
    def files(self) -> int:
        """Files that may be served, siblings not counted."""
    @property
    def written(self) -> int:
        """Siblings written."""
    @property
    def up_to_date(self) -> int:
        """Siblings that were up to date."""
    @property
    def skipped(self) -> int:
        """Files left without any sibling: packed already, too small, or nothing gained."""
    @property
    def removed(self) -> int:
        """Siblings removed: their source is gone, or changed and no longer gains from them."""
    @property
    def bytes_before(self) -> int:
        """Bytes of all files."""
    @property
    def bytes_after(self) -> int:
        """Bytes of all files in the smallest form there now is of each."""
    @property
    def seconds(self) -> float:
        """Time it took."""

def compress(dirs: Sequence[str | PathLike[str]], *, check: bool = False) -> CompressReport:
    """Write `.br`, `.zst` and `.gz` siblings of the files in `dirs`, as `monopod compress` does.

    With `check` nothing is changed. The GIL is released; a signal handler that raises, as that of Ctrl-C does, ends the
    run once the files it is at are done.

    Raises OSError (or what of its kinds it is, such as PermissionError) with a sentence that says what to do when
    something cannot be read or written, and ValueError when a check finds siblings missing or stale, or `dirs` is empty.
    """

def default_threads() -> int:
    """The threads that a server has here if nobody says how many: by the CPUs, or by the quota of the container."""

def options() -> list[str]:
    """The names of all options that `Server` takes."""

@disjoint_base
class Server:
    """A server in this process: on threads of its own, beside others, started and stopped from any thread.

    Use it as a context manager, or call `start()` and `stop()`. It takes nothing of the process: no signals, no streams,
    no logging configuration. What it has to say goes to the loggers `monopod` (an exception of the application is an ERROR
    with its traceback) and `monopod.access` (one INFO record a request, whose attribute `monopod` is a dict of its
    fields; who turns them on while it runs gets them a second later). `wsgi.errors` is `sys.stderr`. If nobody stops it, it ends with the interpreter, or when it is no more
    referred to.
    """

    def __new__(
        cls, app: Application, *, bind: Values = "127.0.0.1:0", live: bool = False, **options: Unpack[Options]
    ) -> Server:
        """Check the options; nothing is bound yet.

        `bind` has the forms of `--bind`; port 0 takes a free one at each start. With `live` static files are looked up
        when they are asked for, and Django's found by its finders, as if it had DEBUG. Other options are those of the
        command, and all that counts: neither environment (but TMPDIR) nor configuration file are read. `headers_file` is
        read here once, and anew at each start.

        Raises TypeError for an option that there is not, or a value of the wrong type, and ValueError for a wrong value,
        with the command's sentence.
        """

    def start(self) -> Server:
        """Bind and start; requests are served when this returns, which is the server itself.

        Raises OSError (or what of its kinds it is, such as PermissionError) with the number and a sentence where the
        address cannot be had, and RuntimeError when it runs already.
        """

    def stop(self, timeout: float | None = None) -> bool:
        """Accept no more, let requests in flight finish, and end all threads; True if every one was answered.

        Requests get `timeout` seconds (without one, the option `graceful_timeout`). What takes longer is answered 503 or
        cut off, and `RequestTimeout`, a BaseException, raised in its thread; one that does not come back even then is left
        behind, with a warning. Called in a request of this server, or on its own thread (`monopod-server`, which runs the
        handlers of `logging`), it does not wait, and in a forked child it does nothing. To stop one that does not run is no
        error; one that is being started is stopped once it is up.
        """

    def wait(self) -> bool:
        """Wait for the end, whoever asks for it; signal handlers run meanwhile. True if every request was answered."""

    def __enter__(self) -> Server: ...
    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None, /
    ) -> None: ...
    def _signal(self, name: str) -> None: ...
    @property
    def is_running(self) -> bool:
        """Whether it has been started and has not ended."""
    @property
    def url(self) -> str:
        """Where a client of this machine finds it: `http://127.0.0.1:PORT`, without `root_path`; `unix:PATH`.

        This and the others below are those of the last start; RuntimeError before the first.
        """
    @property
    def admin_url(self) -> str | None:
        """The same of the admin port (`admin_bind`), if there is one."""
    @property
    def address(self) -> Any:
        """`(host, port)`, or the path of a Unix socket."""
    @property
    def port(self) -> int:
        """The port; RuntimeError for a Unix socket."""
