"""Flask's USE_X_SENDFILE over the directory in $FILES."""

from __future__ import annotations

import os
from typing import Any

from flask import Flask, send_file, send_from_directory

app = Flask(__name__)
app.config["USE_X_SENDFILE"] = True


@app.get("/files/<path:name>")
def files(name: str) -> Any:
    return send_from_directory(os.environ["FILES"], name, max_age=60)


@app.get("/attachment/<name>")
def attachment(name: str) -> Any:
    return send_file(os.path.join(os.environ["FILES"], name), as_attachment=True, download_name="other.pdf")
