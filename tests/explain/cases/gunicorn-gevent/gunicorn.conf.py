# In the manner of dashboards such as Apache Superset: greenlets for waiting.
bind = ["0.0.0.0:8088", "unix:/run/app.sock"]
workers = 10
worker_class = "gevent"
worker_connections = 1000
timeout = 120
limit_request_line = 0
limit_request_field_size = 0
keepalive = 2
reload = False
