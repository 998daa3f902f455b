"""A Celery application whose broker and results are directories below /data: no third container is needed."""

import os
from pathlib import Path

from celery import Celery

DATA = Path(os.environ.get("DJANGO_DATA_DIR", "/data"))
QUEUE, RESULTS = DATA / "queue", DATA / "results"
for directory in (QUEUE, RESULTS):
    directory.mkdir(parents=True, exist_ok=True)

app = Celery("tasks", broker="filesystem://", backend=RESULTS.as_uri())
app.conf.broker_transport_options = {
    "data_folder_in": str(QUEUE),
    "data_folder_out": str(QUEUE),
    "control_folder": str(DATA / "control"),
}


@app.task
def add(a: int, b: int) -> int:
    return a + b
