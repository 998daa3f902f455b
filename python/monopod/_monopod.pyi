"""The native part of monopod."""

from collections.abc import Sequence
from os import PathLike
from typing import Final, final

__all__ = ["CompressReport", "compress", "main", "version"]

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
