//! The fixed words for why a request or connection was refused, failed, or lost its client, and what each means.
//!
//! They are the `reason` of access records and of `monopod_faults_total`. The rooms that find a fault write the word where
//! they do (most of them in `semantics::fault`); a test reads the sources and compares.

/// Word and meaning, in the order in which a request can meet them.
pub const REASONS: &[(&str, &str)] = &[
    ("no-proxy-header", "a connection did not begin with the PROXY header that `--proxy-protocol` asks for"),
    ("header-timeout", "the head was not complete within `--header-timeout`"),
    ("request-line-too-long", "the request line is longer than `--max-request-line`"),
    ("header-too-large", "a header, or all of them, are longer than `--max-header-size` allows"),
    ("too-many-headers", "more headers than `--max-headers`"),
    ("bad-request-line", "the request line is not one (RFC 9112 §3)"),
    ("version-refused", "a version of HTTP that is not spoken here"),
    ("bare-lf", "a line ends without CR (RFC 9112 §2.2)"),
    ("obs-fold", "a header is folded over two lines (RFC 9112 §5.2)"),
    ("bad-header", "a header's name or value has a character it must not have (RFC 9110 §5)"),
    ("bad-host", "not exactly one valid Host (RFC 9112 §3.2)"),
    ("bad-content-length", "Content-Length is repeated or not a plain number (RFC 9112 §6.3)"),
    ("bad-transfer-encoding", "Transfer-Encoding is something else than `chunked`, once (RFC 9112 §6.1)"),
    ("length-with-transfer-encoding", "Content-Length and Transfer-Encoding together (RFC 9112 §6.1)"),
    ("bad-target", "a request target that this server cannot serve (RFC 9112 §3.2)"),
    ("method-refused", "a method for proxies, such as CONNECT (RFC 9110 §9.3.6)"),
    ("bad-chunk", "a chunked body is malformed (RFC 9112 §7.1)"),
    ("body-too-large", "the body is longer than `--max-body-size`"),
    ("body-timeout", "the body stood still for `--body-timeout`, or came slower than `--min-rate`"),
    ("body-aborted", "the client stopped before the end of its body"),
    ("spool-failed", "a body could not be kept in `--temp-dir`"),
    ("buffers-full", "`--buffer-memory` is spent and `--temp-dir` takes nothing"),
    ("queue-full", "`--queue-size` requests were waiting already"),
    ("queue-timeout", "the request waited longer than `--queue-timeout`"),
    ("streams-full", "streamed responses held all threads they may (`--stream-threads`)"),
    ("app-timeout", "the application had no answer within `--timeout`"),
    ("app-raised", "the application raised"),
    ("app-short-body", "the application gave less than its Content-Length; the connection was closed"),
    ("app-long-body", "the application gave more than its Content-Length; the rest was cut"),
    ("app-close-raised", "`close()` of a response raised; the client has the whole response"),
    ("accel-missing", "the file that the application named is not there, or not one to be read (`--accel`)"),
    (
        "accel-outside",
        "the file that the application named is in none of the directories of `--accel`, or leads out of them",
    ),
    (
        "file-failed",
        "a file of the response could not be opened (500), or not be read to its end (the connection was closed)",
    ),
    ("write-timeout", "the client took nothing of its response for `--write-timeout`"),
    ("client-gone", "the client left before the end of its response"),
    (
        "drain-timeout",
        "the server stopped and `--graceful-timeout` was over: the request was answered 503, or cut off where its answer had begun",
    ),
    ("internal", "this server failed; please report it"),
];
