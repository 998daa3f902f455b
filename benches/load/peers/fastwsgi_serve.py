"""fastwsgi's command cannot import from the working directory: serve MODULE:NAME from there on 127.0.0.1:PORT."""

import importlib
import os
import sys

import fastwsgi

sys.path[0] = os.getcwd()
module, _, name = sys.argv[1].partition(":")
fastwsgi.run(getattr(importlib.import_module(module), name), host="127.0.0.1", port=int(sys.argv[2]), loglevel=1)
