"""monopod: a WSGI server for containers, with its static files and slow clients in one process.

The package is the face of the wheel: the command `monopod`, also `python -m monopod`, and the same server as a value in a
program (`Server`, `serve`). The server itself is native code in `monopod._monopod`. `import monopod` imports no framework:
what is for one is in `monopod.contrib`.
"""

from monopod._monopod import CompressReport, Server, compress
from monopod._monopod import version as __version__
from monopod._serve import serve

__all__ = ["CompressReport", "Server", "__version__", "compress", "serve"]
