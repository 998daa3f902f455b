"""Views on the application that a page of the documentation makes (`app.py`)."""

from __future__ import annotations

import threading
from collections.abc import Iterator

from flask import Response

from app import app

# As many as the test asks for at once, so that each has a thread of its own.
TOGETHER = threading.Barrier(4)


@app.get("/order/<int:number>")
def order(number: int) -> str:
    return f"order {number}\n"


@app.get("/together/<int:number>")
def together(number: int) -> str:
    TOGETHER.wait(10)
    return f"order {number}\n"


@app.get("/fails/<int:number>")
def fails(number: int) -> str:
    raise LookupError(f"no order {number}")


@app.get("/thread/<int:number>")
def in_a_thread(number: int) -> str:
    thread = threading.Thread(target=fails, args=(number,))
    thread.start()
    thread.join()
    return "failed elsewhere\n"


@app.get("/stream/<int:number>")
def stream(number: int) -> Response:
    def lines() -> Iterator[str]:
        for line in range(number):
            yield f"line {line}\n"

    return Response(lines(), mimetype="text/plain")
