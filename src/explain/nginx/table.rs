//! nginx's directives as a table: those that mean the same wherever they stand. The others are `site`'s and `location`'s.

use crate::explain::rules::Takes::Value;
use crate::explain::rules::Unit::NginxTime;
use crate::explain::rules::{Rule, dropped, not_needed, not_yet, option, own};
use crate::explain::setting::Status;

const TLS: &str = "TLS is not in this version: end it in front (ingress, mesh or load balancer), see docs/tls.md";
const WORKERS: &str = "one process; limits are the container's";
const COMPRESS: &str = "responses of the application are not compressed in this version: the ingress, or Django's GZipMiddleware. Static files: `monopod compress`";
const CACHE: &str = "answers are not cached here: a CDN, the ingress or the application's cache (Django's cache_page)";
const RATE: &str = "the ingress's or the application's (django-ratelimit, Flask-Limiter); overload is answered 503 by --queue-size and --queue-timeout";
const ACCESS: &str = "who may come in is the ingress's, a NetworkPolicy's or the application's";
const FILES: &str = "files are read by monopod's own means";
const TABLES: &str = "nginx's own tables";
const NEXT: &str = "there is no upstream: an application that fails answers for itself";
const OTHER: &str = "another program's protocol: route to it at the ingress";

#[rustfmt::skip]
pub const TABLE: &[Rule] = &[
    own("listen", &[], Status::Kept, "bind", "of servers with the application; `ssl`: not yet; `proxy_protocol` and `backlog=`: as options"),
    own("server_name", &[], Status::NotNeeded, "", "every name is answered: the ingress picks hosts, ALLOWED_HOSTS in Django and TRUSTED_HOSTS in Flask check them"),
    own("location", &[], Status::Kept, "static", "with alias or root: --static, for uploads --media; `internal`: --accel; behind access rules or passwords: none, as monopod has no such rules; `return 200`: --health-path; of the application: nothing is needed"),
    own("alias", &[], Status::Kept, "static", "/URL=DIR of its location"),
    own("root", &[], Status::Kept, "static", "DIR with the location's path; where try_files looks at `/`: --static-root"),
    own("try_files", &[], Status::Kept, "static-root", "`$uri @app`: files beside the application's pages; `/index.html` at the end: --spa"),
    own("internal", &[], Status::Kept, "accel", "X-Accel-Redirect works as it did"),
    own("proxy_pass", &["uwsgi_pass"], Status::NotNeeded, "", "the application is in this process; other upstreams are the ingress's"),
    own("upstream", &[], Status::NotNeeded, "", "the application is in this process"),
    own("expires", &[], Status::Kept, "max-age", "of static files whose names have no content hash; those with one are kept for a year, immutable"),
    own("add_header", &[], Status::Kept, "headers-file", "on static files; on pages the application's middleware sets it"),
    own("client_max_body_size", &[], Status::Kept, "max-body-size", "in a location `/PREFIX=SIZE`; nginx's own default is 1m, monopod's 100m"),
    own("proxy_read_timeout", &["uwsgi_read_timeout"], Status::Kept, "timeout", "of this and the application server's the shorter counts; one for all paths"),
    own("proxy_set_header", &["uwsgi_param"], Status::NotNeeded, "", "the client's address, scheme and host are in environ: REMOTE_ADDR, wsgi.url_scheme, HTTP_HOST"),
    own("return", &["rewrite"], Status::Dropped, "health-path", "`return 200` of a location: --health-path; redirects are the ingress's or the application's"),
    own("set_real_ip_from", &[], Status::Kept, "forwarded-allow-ips", ""),
    own("real_ip_header", &[], Status::NotNeeded, "proxy-protocol", "X-Forwarded-For and Forwarded are read; `proxy_protocol`: --proxy-protocol; others are not"),
    own("access_log", &[], Status::NotNeeded, "access-log", "to standard output; `off` for all: --no-access-log"),
    own("log_format", &[], Status::Kept, "access-logformat", "where access_log uses it and gunicorn's atoms can say it"),
    own("large_client_header_buffers", &[], Status::Kept, "max-header-size", "the size, also for --max-request-line"),
    own("if", &[], Status::Dropped, "", "conditions are the ingress's or the application's"),
    own("include", &[], Status::NotNeeded, "", "what it includes is read"),
    option("keepalive_timeout", &[], "keep-alive", NginxTime, "a balancer in front should close first"),
    option("client_header_timeout", &[], "header-timeout", NginxTime, ""),
    option("client_body_timeout", &[], "body-timeout", NginxTime, ""),
    option("send_timeout", &[], "write-timeout", NginxTime, ""),
    not_needed("http", &["server", "events"], Value, "what is in it is told line by line"),
    not_needed("default_type", &["types", "charset", "charset_types", "override_charset", "source_charset"], Value, "media types are built in, text is UTF-8; WHITENOISE_MIMETYPES names others"),
    not_needed("user", &["worker_processes", "worker_connections", "worker_rlimit_nofile", "worker_priority", "worker_cpu_affinity", "worker_shutdown_timeout", "worker_aio_requests", "multi_accept", "accept_mutex", "accept_mutex_delay", "use", "daemon", "master_process", "pid", "lock_file", "pcre_jit", "thread_pool", "timer_resolution", "working_directory", "env"], Value, WORKERS),
    not_needed("error_log", &["log_not_found", "log_subrequest", "open_log_file_cache", "rewrite_log"], Value, "records go to standard output; --log-level says how many"),
    not_needed("sendfile", &["sendfile_max_chunk", "tcp_nopush", "tcp_nodelay", "aio", "aio_write", "directio", "directio_alignment", "output_buffers", "postpone_output", "read_ahead", "open_file_cache", "open_file_cache_valid", "open_file_cache_min_uses", "open_file_cache_errors"], Value, FILES),
    not_needed("types_hash_max_size", &["types_hash_bucket_size", "server_names_hash_bucket_size", "server_names_hash_max_size", "variables_hash_max_size", "variables_hash_bucket_size", "map_hash_bucket_size", "map_hash_max_size", "proxy_headers_hash_max_size", "proxy_headers_hash_bucket_size"], Value, TABLES),
    not_needed("server_tokens", &["server_name_in_redirect", "port_in_redirect", "absolute_redirect"], Value, "no version is told to clients"),
    not_needed("client_body_buffer_size", &["client_body_temp_path", "client_header_buffer_size", "client_body_in_file_only", "client_body_in_single_buffer", "connection_pool_size", "request_pool_size"], Value, "bodies share one budget, --buffer-memory, and beyond it go to --temp-dir"),
    not_needed("keepalive_requests", &["keepalive_time", "keepalive_disable", "keepalive", "lingering_close", "lingering_time", "lingering_timeout", "reset_timedout_connection"], Value, "connections stay open as long as clients use them"),
    not_needed("ignore_invalid_headers", &["merge_slashes", "max_ranges", "chunked_transfer_encoding", "etag", "if_modified_since", "msie_padding", "recursive_error_pages"], Value, "as RFC 9110 and 9112 have it; headers with `_` in their names are dropped"),
    dropped("underscores_in_headers", &[], Value, "headers with `_` in their names are dropped and counted: they can stand for another header in environ"),
    not_needed("proxy_http_version", &["proxy_redirect", "uwsgi_redirect", "proxy_connect_timeout", "proxy_send_timeout", "uwsgi_connect_timeout", "uwsgi_send_timeout", "proxy_pass_header", "proxy_pass_request_headers", "proxy_pass_request_body", "proxy_socket_keepalive", "proxy_bind", "proxy_method", "proxy_ignore_client_abort", "uwsgi_ignore_client_abort", "proxy_force_ranges", "proxy_headers_hash", "uwsgi_modifier1", "uwsgi_modifier2", "proxy_limit_rate"], Value, "there is no connection to an upstream"),
    not_needed("proxy_buffers", &["proxy_buffer_size", "proxy_busy_buffers_size", "proxy_temp_path", "proxy_temp_file_write_size", "proxy_max_temp_file_size", "uwsgi_buffers", "uwsgi_buffer_size", "uwsgi_busy_buffers_size", "uwsgi_max_temp_file_size", "uwsgi_temp_path", "uwsgi_buffering"], Value, "what a slow client does not take waits within --buffer-memory, then in --temp-dir (docs/slow-clients.md)"),
    own("proxy_buffering", &["uwsgi_buffering_off"], Status::NotNeeded, "", "chunks are sent as they come, event streams too; `X-Accel-Buffering: no` makes the application wait for its client"),
    own("proxy_request_buffering", &["uwsgi_request_buffering"], Status::Dropped, "", "a body is always read whole before the application is called, so a slow upload holds no thread"),
    not_needed("proxy_intercept_errors", &["uwsgi_intercept_errors"], Value, "the application's error pages go to the client as they are"),
    dropped("error_page", &[], Value, "the application's own error pages go to the client; those of the server itself (400, 503 …) are a plain line"),
    not_needed("proxy_next_upstream", &["proxy_next_upstream_tries", "proxy_next_upstream_timeout", "uwsgi_next_upstream"], Value, NEXT),
    dropped("proxy_hide_header", &["proxy_ignore_headers", "uwsgi_hide_header", "proxy_cookie_path", "proxy_cookie_domain", "proxy_cookie_flags", "proxy_set_body", "sub_filter", "sub_filter_once", "sub_filter_types", "more_set_headers", "more_clear_headers"], Value, "the application's responses are not rewritten: its middleware does it"),
    not_needed("proxy_ssl_verify", &["proxy_ssl_server_name", "proxy_ssl_name", "proxy_ssl_protocols", "proxy_ssl_trusted_certificate", "proxy_ssl_certificate", "proxy_ssl_certificate_key", "proxy_ssl_session_reuse"], Value, "there is no connection to an upstream"),
    dropped("proxy_cache", &["proxy_cache_path", "proxy_cache_key", "proxy_cache_valid", "proxy_cache_bypass", "proxy_no_cache", "proxy_cache_use_stale", "proxy_cache_lock", "proxy_cache_min_uses", "proxy_cache_methods", "proxy_cache_revalidate", "proxy_cache_background_update", "proxy_store", "uwsgi_cache", "uwsgi_cache_path", "uwsgi_cache_key", "uwsgi_cache_valid", "uwsgi_no_cache", "uwsgi_cache_bypass"], Value, CACHE),
    not_yet("gzip", &["gzip_types", "gzip_comp_level", "gzip_min_length", "gzip_proxied", "gzip_buffers", "gzip_http_version", "gunzip", "brotli", "brotli_types", "brotli_comp_level", "brotli_min_length", "zstd", "zstd_types", "zstd_comp_level"], Value, COMPRESS),
    not_needed("gzip_static", &["brotli_static", "zstd_static"], Value, "siblings that `monopod compress` writes are found: .br, .zst, .gz"),
    not_needed("gzip_vary", &["gzip_disable"], Value, "Vary: Accept-Encoding is there where it belongs"),
    not_yet("http2", &["http2_push_preload", "http2_max_concurrent_streams", "http3", "quic_retry"], Value, "HTTP/2 is not in this version: the ingress speaks it to clients"),
    not_yet("ssl_certificate", &["ssl", "ssl_certificate_key", "ssl_protocols", "ssl_ciphers", "ssl_prefer_server_ciphers", "ssl_session_cache", "ssl_session_timeout", "ssl_session_tickets", "ssl_dhparam", "ssl_ecdh_curve", "ssl_stapling", "ssl_stapling_verify", "ssl_trusted_certificate", "ssl_client_certificate", "ssl_verify_client", "ssl_verify_depth", "ssl_password_file", "ssl_buffer_size", "ssl_early_data", "ssl_conf_command", "ssl_crl", "ssl_reject_handshake"], Value, TLS),
    not_needed("resolver", &["resolver_timeout"], Value, "no names are looked up for a request"),
    not_needed("real_ip_recursive", &[], Value, "addresses are read right to left, past trusted ones"),
    dropped("limit_req", &["limit_req_zone", "limit_req_status", "limit_req_log_level", "limit_req_dry_run", "limit_conn", "limit_conn_zone", "limit_conn_status", "limit_conn_log_level", "limit_rate", "limit_rate_after"], Value, RATE),
    dropped("allow", &["deny", "limit_except", "valid_referers", "secure_link", "secure_link_md5", "auth_delay", "satisfy"], Value, ACCESS),
    dropped("auth_basic", &["auth_basic_user_file", "auth_request", "auth_request_set", "auth_jwt"], Value, "the ingress's (an auth annotation, oauth2-proxy) or the application's"),
    dropped("stub_status", &[], Value, "`/metrics` and the status page on the admin port"),
    dropped("autoindex", &["autoindex_exact_size", "autoindex_localtime", "autoindex_format"], Value, "directories are not listed"),
    not_needed("index", &["disable_symlinks"], Value, "index.html stands for its directory; links may lead inside the directory only"),
    dropped("mirror", &["mirror_request_body", "post_action", "proxy_store_access", "dav_methods", "random_index", "flv", "mp4", "image_filter", "ssi", "addition_types", "perl", "js_import", "js_content"], Value, "not done here"),
    dropped("fastcgi_pass", &["scgi_pass", "grpc_pass", "memcached_pass", "fastcgi_param", "fastcgi_index", "fastcgi_split_path_info", "fastcgi_buffers", "fastcgi_read_timeout"], Value, OTHER),
    dropped("load_module", &[], Value, "there are no modules"),
    dropped("set", &["break", "map", "geo", "split_clients", "geoip_country", "geoip2"], Value, "a variable of nginx's; what used it is told in its own line"),
    dropped("stream", &["mail"], Value, "other protocols than HTTP are another program's"),
];

/// The row of a directive.
#[must_use]
pub fn find(name: &str) -> Option<&'static Rule> {
    TABLE.iter().find(|rule| rule.is_named(name))
}

/// Blocks whose entries are no directives: told as one.
pub const OPAQUE: &[&str] =
    &["types", "map", "geo", "split_clients", "stream", "mail", "charset_map", "geoip2", "limit_except"];
