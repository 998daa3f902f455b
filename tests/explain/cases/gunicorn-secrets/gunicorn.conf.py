bind = ":8000"
raw_env = ["DB_PASS=hunter2", "SMTP_PASS=hunter2", "PGPASS=hunter2", "JWT=hunter2", "COOKIE=hunter2", "KEY=hunter2", "STAGE=live"]
statsd_host = "u:hunter2@statsd:8125"
logconfig_dict = {"version": 1, "handlers": {"web": {"token": "hunter2"}}}
