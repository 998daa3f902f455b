"""A small Flask application: one page, a JSON API, an upload and a stream."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from flask import Flask, Response, abort, jsonify, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import BadRequest, HTTPException

from store import Item, ItemStore

CHUNK = 64 * 1024
MAX_JSON = 64 * 1024
MAX_NAME = 80
MAX_QUANTITY = 1_000_000
MAX_TICKS = 1_000
MAX_DELAY = 10.0

app = Flask(__name__)
items = ItemStore()
for _name, _quantity in [("Tripod", 1), ("Lens cloth", 3), ("Memory card", 2)]:
    items.create(_name, _quantity)


class InvalidItem(ValueError):
    """The JSON is well formed but is no item; `fields` says why, by field."""

    def __init__(self, fields: dict[str, str]) -> None:
        super().__init__("invalid item")
        self.fields = fields


def read_item() -> dict[str, Any]:
    """Read and check `name` and `quantity` from the JSON body.

    Raises `InvalidItem` (422), or 400 for malformed JSON; Flask itself answers 413 for
    a Content-Length above 64 KiB and 415 for another content type.
    """
    request.max_content_length = MAX_JSON
    try:
        data = request.get_json()
    except BadRequest:
        abort(400, description="The body is not valid JSON.")
    if not isinstance(data, dict):
        abort(422, description="The body must be a JSON object.")

    errors = {key: "unknown field" for key in data.keys() - {"name", "quantity"}}
    name = data.get("name")
    name = name.strip() if isinstance(name, str) else ""
    if not name:
        errors["name"] = "must be a non-empty string"
    elif len(name) > MAX_NAME:
        errors["name"] = f"must have at most {MAX_NAME} characters"

    quantity = data.get("quantity", 1)
    # bool is a subclass of int; `true` is no quantity.
    if type(quantity) is not int or not 0 <= quantity <= MAX_QUANTITY:
        errors["quantity"] = f"must be a whole number from 0 to {MAX_QUANTITY}"

    if errors:
        raise InvalidItem(errors)
    return {"name": name, "quantity": quantity}


def found(item: Item | None) -> Item:
    """The item, or 404."""
    if item is None:
        abort(404, description="There is no such item.")
    return item


@app.errorhandler(InvalidItem)
def invalid_item(error: InvalidItem) -> ResponseReturnValue:
    """422 with one message per field."""
    message = "The item is not valid."
    return {"error": {"status": 422, "message": message, "fields": error.fields}}, 422


@app.errorhandler(HTTPException)
def http_error(error: HTTPException) -> ResponseReturnValue:
    """JSON errors under /api/, keeping headers such as Allow; HTML elsewhere."""
    if not request.path.startswith("/api/"):
        return error
    response = error.get_response()
    body = {"status": response.status_code, "message": error.description}
    response.set_data(json.dumps({"error": body}) + "\n")
    response.content_type = "application/json"
    return response


@app.get("/")
def index() -> str:
    """The page; its script talks to the API below."""
    return render_template("index.html")


@app.get("/api/items")
def list_items() -> ResponseReturnValue:
    """Every item, oldest first."""
    return {"items": [asdict(item) for item in items.all()]}


@app.post("/api/items")
def create_item() -> ResponseReturnValue:
    """Create an item: 201, and where to find it."""
    item = items.create(**read_item())
    return asdict(item), 201, {"Location": url_for("get_item", item_id=item.id)}


@app.get("/api/items/<int:item_id>")
def get_item(item_id: int) -> ResponseReturnValue:
    """One item."""
    return asdict(found(items.get(item_id)))


@app.put("/api/items/<int:item_id>")
def replace_item(item_id: int) -> ResponseReturnValue:
    """Replace one item; PUT never creates."""
    return asdict(found(items.replace(item_id, **read_item())))


@app.delete("/api/items/<int:item_id>")
def delete_item(item_id: int) -> ResponseReturnValue:
    """Delete one item: 204."""
    if not items.delete(item_id):
        found(None)
    return "", 204


@app.route("/api/echo", methods=["POST", "PUT", "PATCH"])
def echo() -> ResponseReturnValue:
    """Length in bytes and sha256 of the body, read in chunks: any size, little memory."""
    digest = hashlib.sha256()
    length = 0
    while chunk := request.stream.read(CHUNK):
        digest.update(chunk)
        length += len(chunk)
    return jsonify(length=length, sha256=digest.hexdigest())


@app.get("/stream")
def stream() -> Response:
    """One line of text per tick: `?n=` ticks, `?delay=` seconds apart."""
    try:
        n = int(request.args.get("n", 5))
        delay = float(request.args.get("delay", 0.2))
    except ValueError:
        abort(400, description="n must be a whole number, delay a number of seconds.")
    # Written so that a delay of `nan` is refused as well.
    if not (0 <= n <= MAX_TICKS and 0 <= delay <= MAX_DELAY):
        abort(400, description=f"n is at most {MAX_TICKS}, delay at most {MAX_DELAY:g} seconds.")

    def ticks() -> Iterator[str]:
        start = time.monotonic()
        for tick in range(1, n + 1):
            if tick > 1:
                time.sleep(delay)
            yield f"tick {tick} of {n} after {time.monotonic() - start:.2f} s\n"

    # X-Accel-Buffering: each line is to reach the client as it is made.
    headers = {"X-Accel-Buffering": "no", "Cache-Control": "no-store"}
    return Response(ticks(), mimetype="text/plain", headers=headers)


@app.get("/healthz")
def healthz() -> ResponseReturnValue:
    """Alive, as far as the application can tell."""
    return {"status": "ok"}
