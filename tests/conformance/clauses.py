"""The table: every sentence of PEP 3333 that binds a server, and the test that decides it.

In the order of the PEP. `level` is the sentence's own word: must, should, may; "is" where it states a fact. A sentence
with several tests is several clauses. `UNTESTED` are the sentences that no test over a socket can decide, and why.
"""

from __future__ import annotations

from dataclasses import dataclass

from pep3333 import (
    bodies,
    callables,
    closing,
    environs,
    expectations,
    failures,
    heads,
    inputs,
    lengths,
    log_streams,
    replies,
    streaming,
    threading_support,
    validation,
    wrappers,
)
from pep3333.verdict import Test


@dataclass(frozen=True)
class Clause:
    id: str
    section: str
    level: str
    sentence: str
    test: Test

    @property
    def test_name(self) -> str:
        return f"{self.test.__module__.removeprefix('pep3333.')}.{self.test.__name__}"


class Section:
    """Collects the clauses of one section under ids of its own."""

    def __init__(self, title: str, short: str) -> None:
        self._title = title
        self._short = short

    def __call__(self, level: str, name: str, sentence: str, test: Test) -> None:
        CLAUSES.append(Clause(f"{self._short}-{name}", self._title, level, sentence, test))


CLAUSES: list[Clause] = []

overview = Section("Specification Overview", "overview")
details = Section("Specification Details", "details")
environ = Section("environ Variables", "environ")
streams = Section("Input and Error Streams", "streams")
start = Section("The start_response() Callable", "start")
length = Section("Handling the Content-Length Header", "length")
stream = Section("Buffering and Streaming", "streaming")
write = Section("The write() Callable", "write")
unicode = Section("Unicode Issues", "unicode")
error = Section("Error Handling", "errors")
continues = Section("HTTP 1.1 Expect/Continue", "expect")
other = Section("Other HTTP Features", "http")
threads = Section("Thread Support", "threads")
url = Section("URL Reconstruction", "url")
files = Section("Optional Platform-Specific File Handling", "file")
validate = Section("The whole, as wsgiref.validate reads it", "validate")

# One clause is one line.
# fmt: off
SORT = "must not have any dependency on what kind of callable was provided to it"
overview("must", "class", SORT, callables.a_class)
overview("must", "instance", SORT, callables.an_instance)
overview("must", "method", SORT, callables.a_bound_method)
overview("must", "partial", SORT, callables.a_partial)
overview("is", "once", "invokes the application callable once for each request it receives", callables.once_for_each_request)

details("must", "positional", "must invoke the application object using positional (not keyword) arguments", callables.a_function_by_position)
details("must", "dict", "environ … must be a builtin Python dictionary (not a subclass …)", environs.a_builtin_dict)
details("is", "modify", "the application is allowed to modify the dictionary in any way it desires", environs.may_be_modified)
details("is", "own-dict", "the application is allowed to modify the dictionary: no other request sees it", environs.belongs_to_one_request)
details("is", "exc-info-optional", "start_response … accepting two required positional arguments, and one optional argument", heads.takes_exc_info_of_none)
details("must", "write-callable", "start_response … must return a write(body_data) callable", heads.returns_a_callable)
SHAPE = "an iterable yielding zero or more bytestrings … Regardless of how it is accomplished"
details("must", "list", SHAPE, bodies.a_list)
details("must", "tuple", SHAPE, bodies.a_tuple)
details("must", "generator", SHAPE, bodies.a_generator)
details("must", "own-iterator", SHAPE, bodies.an_iterable_or_iterator_of_its_own)
details("must", "getitem", "accessed via e.g. the PEP 234 iteration APIs (iter() takes __getitem__ alone)", bodies.by_getitem_alone)
details("must", "not-iterable", "must always return an iterable: anything else is an error the server survives", bodies.what_is_no_iterable_is_an_error)
details("must", "unbuffered", "completing the transmission of each bytestring before requesting another one", streaming.bytestrings_of_an_iterable)
details("should", "binary", "treat the yielded bytestrings as binary … ensure that line endings are not altered", bodies.binary_and_unaltered)
CLOSE = "must call [close()] upon completion of the current request"
details("must", "close", f"{CLOSE}, … completed normally", closing.after_a_whole_response)
details("must", "close-list", f"{CLOSE}, … completed normally (a list with close())", closing.of_a_list)
details("must", "close-head", f"{CLOSE}, … completed normally (HEAD)", closing.after_head)
details("must", "close-bodiless", f"{CLOSE}, … completed normally (204, 304)", closing.after_statuses_without_body)
details("must", "close-more", f"{CLOSE}: more than Content-Length", closing.after_more_than_content_length)
details("must", "close-less", f"{CLOSE}: less than Content-Length", closing.after_less_than_content_length)
details("must", "close-headless", f"{CLOSE}: start_response never called", closing.without_start_response)
details("must", "close-error-iter", f"{CLOSE}, … or terminated early due to an application error (in __iter__)", closing.after_an_error_in_iter)
details("must", "close-error-first", f"{CLOSE}, … or terminated early due to an application error during iteration (first)", closing.after_an_error_before_the_first_bytestring)
details("must", "close-error-middle", f"{CLOSE}, … or terminated early due to an application error during iteration (later)", closing.after_an_error_in_the_middle)
details("must", "close-disconnect", f"{CLOSE}, … or an early disconnect of the browser", closing.after_a_disconnect)
details("must", "close-disconnect-generator", f"{CLOSE}, … or an early disconnect of the browser (a generator's finally)", closing.of_a_generator_after_a_disconnect)
details("must", "close-raises", f"{CLOSE}: a close() that raises spoils nothing", closing.that_raises)
details("must", "late-start", "must not assume that start_response() has been called before they begin iterating", heads.may_come_at_the_first_iteration)
details("must", "no-start", "must invoke start_response() before the iterable yields its first body bytestring: else an error", heads.must_be_called)
details("must", "no-other-attribute", "must not directly use any other attributes of the iterable", bodies.no_other_attribute_is_used)

environ("must", "method", "REQUEST_METHOD … cannot ever be an empty string, and so is always required", environs.request_method)
environ("must", "path-root", "SCRIPT_NAME may be an empty string, if the application corresponds to the “root”; PATH_INFO: the remainder", environs.script_name_and_path_info_at_the_root)
environ("must", "path-mounted", "SCRIPT_NAME: the initial portion of the request URL's “path” that corresponds to the application object", environs.script_name_and_path_info_when_mounted)
environ("must", "path-decoded", "PATH_INFO … as defined by the Common Gateway Interface (not URL-encoded, RFC 3875 4.1.5)", environs.path_info_is_decoded)
environ("must", "path-decoded-once", "PATH_INFO … as defined by the Common Gateway Interface (decoded once)", environs.path_info_is_decoded_once)
environ("must", "path-segments", "PATH_INFO: the remainder of the request URL's “path”", environs.path_info_keeps_empty_segments)
environ("must", "query", "QUERY_STRING: the portion of the request URL that follows the “?”", environs.query_string)
environ("may", "query-empty", "QUERY_STRING … may be empty or absent", environs.query_string_empty_or_absent)
environ("must", "content-type", "CONTENT_TYPE: the contents of any Content-Type fields in the HTTP request", environs.content_type)
environ("may", "content-type-empty", "CONTENT_TYPE … may be empty or absent", environs.content_type_empty_or_absent)
environ("must", "content-length", "CONTENT_LENGTH: the contents of any Content-Length fields in the HTTP request", environs.content_length)
environ("may", "content-length-empty", "CONTENT_LENGTH … may be empty or absent", environs.content_length_empty_or_absent)
environ("must", "server", "SERVER_NAME and SERVER_PORT are required strings and must never be empty", environs.server_name_and_port_are_never_empty)
environ("must", "protocol", "SERVER_PROTOCOL: the version of the protocol the client used to send the request", environs.server_protocol)
environ("is", "http", "HTTP_ variables: corresponding to the client-supplied HTTP request headers", environs.http_variables)
PRESENCE = "presence or absence of these variables should correspond with the presence or absence of the header"
environ("should", "http-empty", PRESENCE, environs.http_variables_of_empty_headers)
environ("should", "http-absent", PRESENCE, environs.http_variables_only_of_headers_sent)
environ("should", "http-content", "CONTENT_TYPE, CONTENT_LENGTH: not a second time as HTTP_ variables (RFC 3875 4.1.18)", environs.http_variables_not_of_content_headers)
environ("must", "http-repeated", "HTTP_ variables of repeated headers: a single value having the same semantics (RFC 3875 4.1.18)", environs.http_variables_of_repeated_headers)
environ("must", "http-cookies", "HTTP_ variables of repeated headers: the same semantics (Cookie)", environs.http_variables_of_repeated_cookies)
environ("should", "further", "should attempt to provide as many other CGI variables as are applicable", environs.further_cgi_variables)
environ("should", "missing", "missing variables (such as REMOTE_USER …) should be left out", environs.missing_variables_are_left_out)
environ("must", "str", "a violation … for any CGI variable's value to be of any type other than str", environs.has_exact_str_for_every_cgi_variable)
environ("must", "wsgi", "must contain the following WSGI-defined variables", environs.wsgi_keys_are_complete)
environ("must", "version", "wsgi.version: the tuple (1, 0)", environs.wsgi_version)
environ("must", "scheme", "wsgi.url_scheme: the “scheme” portion of the URL at which the application is being invoked", environs.wsgi_url_scheme)
environ("should", "multithread", "wsgi.multithread should evaluate true if … simultaneously invoked by another thread", environs.wsgi_multithread_with_threads)
environ("should", "multithread-one", "wsgi.multithread … should evaluate false otherwise", environs.wsgi_multithread_with_one_thread)
environ("should", "multiprocess", "wsgi.multiprocess … should evaluate false otherwise", environs.wsgi_multiprocess)
environ("should", "run-once", "wsgi.run_once: normally, this will only be true for a gateway based on CGI", environs.wsgi_run_once)
environ("should", "own", "server-defined variables … only lower-case letters, numbers, dots, and underscores, and … a name that is unique", environs.own_variables_are_named_by_the_rule)

METHOD = "the methods … must be supported; semantics … as documented in the Python Library Reference"
streams("must", "read-size", f"{METHOD}: read(size)", inputs.read_size)
streams("must", "read-negative", f"{METHOD}: read(-1)", inputs.read_negative)
streams("must", "read-none", f"{METHOD}: read(None)", inputs.read_none)
streams("must", "readline", f"{METHOD}: readline()", inputs.readline)
streams("must", "readlines", f"{METHOD}: readlines()", inputs.readlines)
streams("must", "readlines-hint", f"{METHOD}: readlines(hint)", inputs.readlines_hint)
streams("must", "iter", f"{METHOD}: __iter__()", inputs.iteration)
streams("must", "mixed", f"{METHOD}: one after another", inputs.iteration_goes_on_where_read_stopped)
streams("must", "large", "an input stream from which the HTTP request body bytes can be read (3 MiB)", inputs.large_body)
streams("must", "pieces", "an input stream from which the HTTP request body bytes can be read (byte by byte)", inputs.body_in_pieces)
streams("should", "end", "should simulate an end-of-file condition if the application attempts to read past that point", inputs.read_past_the_end)
streams("should", "end-pipelined", "not required to read past the client's specified Content-Length: the next request stays whole", inputs.read_stops_before_the_next_request)
streams("should", "unread", "… and so it stays when the application reads nothing", inputs.unread_body)
streams("should", "read-all", "should allow read() to be called without an argument, and return the remainder", inputs.read_everything)
streams("should", "empty", "should return empty bytestrings from any attempt to read from an empty … input stream", inputs.empty_stream)
streams("should", "exhausted", "should return empty bytestrings from any attempt to read from an … exhausted input stream", inputs.exhausted_stream)
streams("should", "readline-size", "should support the optional “size” argument to readline()", inputs.readline_size)
streams("must", "errors-write", f"{METHOD}: write(str)", log_streams.write)
streams("must", "errors-writelines", f"{METHOD}: writelines(seq)", log_streams.writelines)
streams("must", "errors-flush", "must call flush() if they need to ensure that output has in fact been written", log_streams.flush)
streams("should", "errors-unicode", "should accept and log arbitrary unicode without raising an error", log_streams.any_unicode)
streams("should", "errors-surrogates", "… arbitrary unicode … is allowed to substitute characters (a lone surrogate)", log_streams.lone_surrogates)

start("must", "status", "status … a string consisting of a Status-Code and a Reason-Phrase", replies.status_is_passed_on)
CHECK = "should check for errors in the headers at the time start_response is called"
CONTROL = "must not contain control characters"
start("should", "status-breaks", f"{CONTROL} (status: CR, LF, NUL); {CHECK}", replies.control_characters_in_the_status_raise)
start("should", "status-controls", f"{CONTROL} (status: others); {CHECK}", replies.other_control_characters_in_the_status_raise)
start("should", "status-malformed", f"Status-Code and Reason-Phrase, … separated by a single space; {CHECK}", replies.malformed_status_raises)
start("should", "headers-list", f"It must be a Python list; {CHECK}", replies.headers_that_are_no_list_raise)
start("should", "headers-pairs", f"a list of (header_name, header_value) tuples; {CHECK}", replies.headers_that_are_no_pairs_raise)
start("should", "headers-types", f"native strings … for request/response headers; {CHECK}", replies.names_and_values_of_other_types_raise)
start("should", "names", f"header_name must be a valid HTTP header field-name; {CHECK}", replies.malformed_names_raise)
start("should", "values-breaks", f"header_value must not include any control characters (CR, LF, NUL); {CHECK}", replies.control_characters_in_values_raise)
start("should", "values-controls", f"header_value must not include any control characters (others); {CHECK}", replies.other_control_characters_in_values_raise)
start("must", "injection", "… to minimize the complexity of any parsing: no line break of the application reaches the wire", replies.nothing_is_injected)
start("must", "date", "if the application omits a header required by HTTP …, the server must add it", replies.date_is_added)
start("is", "case", "header names are case-insensitive, so … take that into consideration", replies.headers_are_not_doubled)
start("should", "hop-by-hop", "should consider it a fatal error for an application to attempt sending [hop-by-hop headers] (at least: they are not sent)", replies.hop_by_hop_headers_are_not_passed_on)
start("should", "hop-by-hop-trailer", "should consider it a fatal error … [hop-by-hop headers] (Trailer)", replies.trailer_is_not_passed_on)
start("must", "holds-back", "must not actually transmit the response headers", heads.sends_nothing_itself)
start("must", "holds-back-empty", "only after the first iteration … that yields a non-empty bytestring", heads.empty_bytestrings_send_nothing)
start("must", "exhausted", "… or until the application's returned iterable is exhausted", heads.head_is_sent_when_the_iterable_is_exhausted)
REPLACE = "If exc_info is supplied, and no HTTP headers have been output yet, … should replace"
start("should", "replaces", REPLACE, heads.exc_info_replaces_the_head)
start("should", "replaces-after-empty", f"{REPLACE} (after empty bytestrings)", heads.exc_info_replaces_after_empty_bytestrings)
RAISE = "if exc_info is provided, and the HTTP headers have already been sent, start_response must raise an error, and should re-raise"
start("must", "raises-again", RAISE, heads.exc_info_raises_again_after_a_bytestring)
start("must", "raises-again-write", f"{RAISE} (after write())", heads.exc_info_raises_again_after_write)
start("must", "twice", "a fatal error to call start_response without the exc_info argument if [it] has already been called", heads.second_call_is_an_error)
start("must", "twice-failed", "This includes the case where the first call to start_response raised an error", heads.second_call_after_a_failed_one)
start("should", "no-reference", "should ensure that no reference is held to the exc_info parameter", heads.exc_info_is_forgotten)

length("should", "more", "should not transmit more bytes to the client than the header allows", lengths.more_is_never_sent)
length("should", "longer", "should not transmit more bytes … (within one bytestring)", lengths.a_longer_bytestring_is_cut)
length("should", "stops", "should stop iterating over the response when enough data has been sent", lengths.iteration_stops)
length("should", "write", "or raise an error if the application tries to write() past that point", lengths.write_past_it_raises)
length("should", "less", "does not provide enough data …, the server should close the connection", lengths.less_closes_the_connection)
length("should", "less-reported", "… and log or otherwise report the error", lengths.less_is_reported)
length("may", "one", "an iterable whose len() is 1, then the server can automatically determine Content-Length", lengths.of_one_bytestring_is_found)
length("may", "one-object", "an iterable whose len() is 1 … (neither list nor tuple)", lengths.of_any_object_of_one_is_found)
length("must", "one-write", "If the application does not call the write() callable, …", lengths.of_one_after_write_is_not_assumed)
length("must", "absent", "may use chunked encoding …; must comply fully with RFC 2616 when doing this", lengths.absent_is_framed)
length("must", "absent-1.0", "… if the server and client both support HTTP/1.1 …, or else fall back", lengths.absent_is_framed_for_http10)

DELAY = "must not delay the transmission of any block"
stream("must", "sized", f"{DELAY} (under a Content-Length)", streaming.bytestrings_under_a_content_length)
stream("must", "one-thread", f"{DELAY} (on a single thread)", streaming.bytestrings_on_a_single_thread)
stream("must", "large", "guarantee that they will continue transmission even while the application is producing its next block", streaming.a_large_bytestring)

write("must", "transmits", "before write() returns, it must guarantee that the passed-in bytestring was either completely sent … or that it is buffered for transmission", streaming.write_transmits)
write("must", "order", "any bytestrings yielded by the iterable are transmitted after all bytestrings passed to write()", streaming.write_comes_before_the_iterable)
write("must", "empty", "treated exactly as though it had been yielded by the output iterable (empty bytestrings)", streaming.write_of_nothing)

unicode("must", "environ", "servers … must not supply strings … containing any other Unicode characters [than U+0000 to U+00FF]", environs.has_no_character_above_latin1)
unicode("must", "path-utf8", "only the lower 8 bits may be used (UTF-8 in PATH_INFO)", environs.path_info_tunnels_utf8)
unicode("must", "path-bytes", "only the lower 8 bits may be used (any byte in PATH_INFO)", environs.path_info_tunnels_any_byte)
unicode("must", "http-bytes", "only the lower 8 bits may be used (any byte in a request header)", environs.http_variables_tunnel_bytes)
unicode("must", "response", "must either be ISO-8859-1 characters … (status and response headers)", replies.latin1_is_passed_on)
unicode("must", "beyond", "a fatal error for an application to supply strings containing any other Unicode character", replies.characters_beyond_latin1_are_fatal)
BYTES = "the value must be of type bytes under Python 3"
unicode("must", "str", f"{BYTES} (yields str)", bodies.a_str_is_an_error)
unicode("must", "str-late", f"{BYTES} (yields str after bytes)", bodies.a_late_str_is_an_error)
unicode("must", "not-bytes", f"{BYTES} (yields int, None)", bodies.what_is_no_bytestring_is_an_error)
unicode("must", "write-str", f"{BYTES} (write() of str)", streaming.write_of_a_str_is_an_error)

TRAP = "should trap and log any exception that aborts an application or the iteration of its return value"
error("should", "call", f"{TRAP} (in the call)", failures.in_the_call)
error("should", "first", f"{TRAP} (before the first bytestring)", failures.before_the_first_bytestring)
error("should", "middle", f"{TRAP} (after it: the response is aborted)", failures.in_the_middle)
error("should", "system-exit", f"{TRAP} (SystemExit)", failures.system_exit)
error("should", "system-exit-middle", f"{TRAP} (SystemExit after the first bytestring)", failures.system_exit_in_the_middle)
error("should", "base", f"{TRAP} (KeyboardInterrupt, GeneratorExit, another BaseException)", failures.other_base_exceptions)

continues("must", "continue", "must provide transparent support for HTTP 1.1's “expect/continue” (100 Continue at once, or at the first read)", expectations.continue_is_sent)
continues("must", "anyway", "… and proceed normally (a client that does not wait)", expectations.a_body_that_comes_anyway)
continues("must", "http10", "do not apply for HTTP 1.0 requests", expectations.not_for_http10)

other("should", "headers", "allow the application complete control over its output (headers)", replies.headers_are_passed_on)
other("should", "repeated", "allow the application complete control over its output (repeated headers, Set-Cookie)", replies.repeated_headers_keep_their_order)
other("should", "own", "allow the application complete control over its output (Server, Date)", replies.headers_of_the_application_come_first)
other("should", "dumb", "only make changes that do not alter the effective semantics of the application's response", replies.nothing_about_the_content_is_invented)
other("must", "head", "comply with HTTP as a gateway: no body for HEAD", replies.no_body_for_head)
other("must", "bodiless", "comply with HTTP as a gateway: no body for 204 and 304", replies.no_body_for_statuses_without)
CODING = "must handle any supported inbound “hop-by-hop” headers on their own, … including chunked encoding"
other("must", "chunked", CODING, inputs.chunked_is_decoded)
other("must", "chunked-lines", f"{CODING} (read by lines)", inputs.chunked_by_lines)

threads("is", "parallel", "servers that can run multiple requests in parallel", threading_support.in_parallel)
threads("should", "single", "should also provide the option of running an application in a single-threaded fashion", threading_support.one_at_a_time)

url("is", "host", "reconstruct a request's complete URL … using the following algorithm", environs.url_with_host)
url("is", "no-host", "When HTTP_HOST is not set, [SERVER_NAME and SERVER_PORT] can be combined", environs.url_without_host)
url("is", "mounted", "url += quote(environ.get('SCRIPT_NAME', '')) + quote(environ.get('PATH_INFO', ''))", environs.url_when_mounted)

files("must", "callable", "must be a callable that accepts one required positional parameter, and one optional", wrappers.is_a_callable_with_an_optional_size)
files("must", "iterable", "must return an iterable object", wrappers.gives_an_iterable)
files("must", "nothing-yet", "must not perform any data transmission until … [it] receives the iterable as a return value", wrappers.sends_nothing_unless_returned)
files("must", "close", "must have a close() method that invokes the original file-like object's close() method", wrappers.gives_close)
files("must", "closes", "must have a close() method … (called at the end)", wrappers.close_is_called)
files("must", "closes-head", "must have a close() method … (called after HEAD)", wrappers.close_is_called_after_head)
files("must", "file", "the same as if the application had returned iter(filelike.read, '')", wrappers.sends_a_real_file)
files("must", "empty", "the same as if the application had returned iter(filelike.read, '') (an empty file)", wrappers.sends_an_empty_file)
files("must", "no-file", "even if the object is not suitable …, must still return an iterable that wraps read() and close()", wrappers.sends_what_is_no_file)
files("must", "read-size", "a read() method that takes an optional size argument", wrappers.reads_by_size)
files("should", "position", "should begin at the current position within the “file” …", wrappers.starts_at_the_position)
files("should", "position-late", "… at the time that transmission begins", wrappers.starts_at_the_position_of_transmission)
files("should", "length", "continue until the end is reached, or until Content-Length bytes have been written", wrappers.ends_at_content_length)
files("must", "middleware", "not guaranteed that any wrapper created will actually be used (middleware iterates over it)", wrappers.works_under_middleware)

validate("must", "environ", "check_environ, for every method", validation.environ_by_every_method)
validate("must", "streams", "check_input, check_errors, and what their methods give", validation.streams)
validate("must", "bodies", "start_response, write, close, for a dozen applications", validation.heads_and_bodies)
validate("must", "file", "check_iterator, for wsgi.file_wrapper", validation.file_wrapper)
validate("is", "itself", "an application that breaks the PEP is found (so that the rows above can fail)", validation.the_validator_is_there)

UNTESTED = [
    ("environ Variables", "if SSL is in use, … should also provide as many of the Apache SSL environment variables", "this version of monopod speaks no TLS; wsgi.url_scheme is http"),
    ("environ Variables", "should document what variables it provides", "a matter of documentation"),
    ("environ Variables", "wsgi.multiprocess should evaluate true if …", "monopod has one process that runs Python"),
    ("environ Variables", "wsgi.run_once should evaluate true if …", "no server of these is run once"),
    ("Input and Error Streams", "The server's documentation should include an explanation of … where to find the recorded output", "a matter of documentation"),
    ("The start_response() Callable", "raise an error if [hop-by-hop headers] are supplied", "a should that monopod does not follow: it strips them with a warning, as applications behind other servers rely on; the clause above asks for either"),
    ("Buffering and Streaming", "middleware components must not block iteration …", "binds middleware"),
    ("Other HTTP Features", "may handle cache validation, re-encode, transmit byte ranges", "permissions"),
    ("Server Extension APIs", "must design those APIs so that they are invoked using the portion of the API that they replace", "monopod has no such extension"),
    ("Application Configuration", "should support this by allowing … name-value pairs to be placed in environ", "outside Specification Details; monopod keeps the environment of the operating system out of environ"),
    ("Supporting Older (<2.2) Versions of Python", "must simply restrict themselves to using only a standard “for” loop", "no such Python"),
]
