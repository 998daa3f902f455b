import os

wsgi_app = "mysite.wsgi:application"
bind = "127.0.0.1:8001"
workers = int(os.environ.get("GUNICORN_WORKERS", "2"))
threads = 4
worker_class = "gthread"
worker_tmp_dir = "/dev/shm"
timeout = 30
graceful_timeout = 25
max_requests = 1000
max_requests_jitter = 100
forwarded_allow_ips = "127.0.0.1"


def post_fork(server, worker):
    from mysite import tracing

    tracing.start()
