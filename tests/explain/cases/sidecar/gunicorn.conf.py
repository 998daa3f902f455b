# The application's container of a pod.
wsgi_app = "mysite.wsgi:application"
bind = "127.0.0.1:8001"
workers = 3
threads = 2
worker_class = "gthread"
timeout = 60
graceful_timeout = 30
keepalive = 75
forwarded_allow_ips = "*"
worker_tmp_dir = "/dev/shm"


def post_fork(server, worker):
    from opentelemetry import trace
