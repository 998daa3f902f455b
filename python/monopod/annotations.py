"""Types of the arguments of `monopod.Server` and `monopod.serve`, for annotations."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from os import PathLike
from typing import TypeAlias, TypedDict

Application: TypeAlias = Callable[..., Iterable[bytes]]
"""A WSGI application (PEP 3333); `wsgiref.types.WSGIApplication` is one."""

Path: TypeAlias = str | PathLike[str]
"""Absolute, or relative to the working directory."""
Values: TypeAlias = str | int | Sequence[str | int]
"""One value of an option, or several."""
Mounts: TypeAlias = str | Sequence[str] | Mapping[str, Path]
"""`{"/url": "dir"}`, or as the command has it, `"/url=dir"`."""
Size: TypeAlias = int | str
"""Bytes, or text such as `25m`."""
Time: TypeAlias = float | str | timedelta
"""Seconds, or text such as `500ms`."""


class Options(TypedDict, total=False):
    """Those options of the command that are not of its process, with underscores (docs/configuration.md). `None` is the same as
    leaving one out."""

    admin_bind: str | int | None
    health_path: str | None
    threads: int | None
    stream_threads: int | None
    root_path: str | None
    backlog: int | None
    static: Mounts | None
    static_root: Path | Sequence[Path] | None
    spa: bool | None
    accel: Mounts | None
    media: Mounts | None
    max_age: Time | None
    headers_file: Path | None
    max_body_size: Size | Sequence[Size] | Mapping[str, Size] | None
    max_request_line: Size | None
    max_header_size: Size | None
    max_headers: int | None
    header_timeout: Time | None
    body_timeout: Time | None
    min_rate: Size | None
    write_timeout: Time | None
    keep_alive: Time | None
    timeout: Time | None
    queue_size: int | None
    queue_timeout: Time | None
    max_connections: int | None
    buffer_memory: Size | None
    temp_dir: Path | None
    forwarded_allow_ips: str | Sequence[str] | None
    proxy_protocol: bool | None
    drain_delay: Time | None
    graceful_timeout: Time | None
    access_log: bool | None
    access_logformat: str | None
    slow_request: Time | None
