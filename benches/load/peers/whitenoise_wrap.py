"""WhiteNoise around an application; gunicorn calls `wrap('MODULE:NAME', 'DIRECTORY')` for it."""

import importlib

from whitenoise import WhiteNoise


def wrap(app, directory):
    module, _, name = app.partition(":")
    return WhiteNoise(getattr(importlib.import_module(module), name), root=directory, prefix="static/")
