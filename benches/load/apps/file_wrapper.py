"""A file of 10 MiB, by wsgi.file_wrapper (PEP 3333, Optional Platform-Specific File Handling)."""

from pathlib import Path

PIECE = 64 << 10
DOWNLOAD = Path(__file__).resolve().parents[3] / "target" / "bench-static" / "download.bin"


def app(environ, start_response):
    # Closed by the server, through the wrapper's close().
    file = DOWNLOAD.open("rb")
    size = str(DOWNLOAD.stat().st_size)
    start_response("200 OK", [("Content-Type", "application/octet-stream"), ("Content-Length", size)])
    if "wsgi.file_wrapper" in environ:
        return environ["wsgi.file_wrapper"](file, PIECE)
    # granian has none; this is what the PEP has applications do then.
    return iter(lambda: file.read(PIECE), b"")
