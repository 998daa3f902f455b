# In the manner of the advice for containers: heartbeat in memory, threads, recycling, Prometheus with several processes.
import os

bind = f"0.0.0.0:{os.environ.get('EXPLAIN_PORT', '8000')}"
workers = int(os.environ.get("EXPLAIN_WORKERS", "2"))
threads = 4
worker_class = "gthread"
worker_tmp_dir = "/dev/shm"
preload_app = True
max_requests = 1000
max_requests_jitter = 50
timeout = 60
graceful_timeout = 20
forwarded_allow_ips = "*"
accesslog = "-"
statsd_host = "localhost:8125"
time_out = 30

log_level_of_ours = "info"


def child_exit(server, worker):
    from prometheus_client import multiprocess

    multiprocess.mark_process_dead(worker.pid)
