"""Both frameworks in one process, as much as most applications import."""

import django_view
import flask_json


def app(environ, start_response):
    side = flask_json.app if environ["PATH_INFO"] == "/json" else django_view.app
    return side(environ, start_response)
