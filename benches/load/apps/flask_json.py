"""A Flask view with a small JSON answer: the everyday request of an API."""

from flask import Flask, jsonify, request

app = Flask(__name__)


@app.get("/json")
def answer():
    items = [{"id": number, "name": f"item {number}"} for number in range(5)]
    return jsonify(path=request.path, items=items)
