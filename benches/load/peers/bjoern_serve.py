"""bjoern has no command: serve MODULE:NAME from the working directory on 127.0.0.1:PORT."""

import importlib
import os
import sys

import bjoern

sys.path[0] = os.getcwd()
module, _, name = sys.argv[1].partition(":")
bjoern.run(getattr(importlib.import_module(module), name), "127.0.0.1", int(sys.argv[2]))
