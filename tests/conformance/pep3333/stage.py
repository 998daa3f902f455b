"""What the servers under test are given: one application whose first path segment names a page.

Below /validated/ the same pages run inside `wsgiref.validate`.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from wsgiref.validate import WSGIWarning, validator

from pep3333 import (  # noqa: F401  they register their pages
    bodies,
    callables,
    closing,
    environs,
    expectations,
    failures,
    heads,
    inputs,
    lengths,
    log_streams,
    replies,
    streaming,
    threading_support,
    validation,
    wrappers,
)
from pep3333.pages import PAGES, TEXT, Environ, StartResponse

warnings.simplefilter("error", WSGIWarning)


def pages(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    page = PAGES.get(environ.get("PATH_INFO", "").split("/")[1])
    if page is None:
        start_response("404 Not Found", list(TEXT))
        return [b"no such page"]
    return page(environ, start_response)  # type: ignore[no-any-return]


checked = validator(pages)


def application(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    if environ.get("PATH_INFO", "").startswith("/validated/"):
        environ["SCRIPT_NAME"] = environ.get("SCRIPT_NAME", "") + "/validated"
        environ["PATH_INFO"] = environ["PATH_INFO"].removeprefix("/validated")
        return checked(environ, start_response)
    return pages(environ, start_response)
