# In the manner of tiangolo/meinheld-gunicorn-docker: everything from the environment, with names of its own.
import json
import multiprocessing
import os

workers_per_core_str = os.getenv("WORKERS_PER_CORE", "2")
web_concurrency_str = os.getenv("EXPLAIN_WEB_CONCURRENCY", None)
host = os.getenv("EXPLAIN_HOST", "0.0.0.0")
port = os.getenv("EXPLAIN_PORT", "80")
use_loglevel = os.getenv("EXPLAIN_LOG_LEVEL", "info")

cores = multiprocessing.cpu_count()
workers_per_core = float(workers_per_core_str)
if web_concurrency_str:
    web_concurrency = int(web_concurrency_str)
else:
    web_concurrency = int(workers_per_core * cores)

# Gunicorn config variables
loglevel = use_loglevel
workers = web_concurrency
bind = f"{host}:{port}"
keepalive = 120
errorlog = "-"

# For debugging and testing
log_data = {"loglevel": loglevel, "workers": workers, "bind": bind}
print(json.dumps(log_data))
