//! Streams of pipelined requests, valid and nearly so, made by a grammar from the fuzzer's bytes: what random bytes
//! hardly ever reach. The first byte says which it is, so that both kinds live in one corpus.

/// A stream that begins with it (no method does) is a recipe; any other is meant as it is.
pub const RECIPE: u8 = 0x01;

/// The stream that `data` stands for.
pub fn stream(data: &[u8]) -> Vec<u8> {
    match data {
        [RECIPE, recipe @ ..] => Recipe { left: recipe, stream: Vec::new() }.messages(),
        _ => data.to_vec(),
    }
}

/// Each choice takes a byte; where none is left it is the first one.
struct Recipe<'a> {
    left: &'a [u8],
    stream: Vec<u8>,
}

/// At most, so that no input takes long.
const LONGEST: usize = 32 * 1024;

/// The first ones of each list are harmless.
const METHODS: &[&str] =
    &["GET", "POST", "HEAD", "PUT", "OPTIONS", "brew!", "CONNECT", "PRI", "get", "G(T", "", "\u{1}", "A-B_C~D"];
const TARGETS: &[&str] = &[
    "/",
    "/a?b=c",
    "/%41%2f%ff%",
    "/app/x",
    "http://h/x",
    "*",
    "/\u{e9}",
    "HTTP://H:8?x",
    "h:80",
    "/a//b/../c;d=e",
    "/\"<>\\^`{|}",
    "x://u@h/",
    "/#f",
    "",
    "/ /",
    "/?",
    "http://",
    "/\u{7f}",
    "a",
    "http://h%41:/?",
    "x:/y://z",
];
const VERSIONS: &[&str] = &["HTTP/1.1", "HTTP/1.0", "HTTP/1.2", "HTTP/2.0", "http/1.1", "HTTP/1.1 ", "HTTP/1.", ""];
const HOSTS: &[&str] =
    &["Host: h", "host:h:80", "HOST: [::1]:8 ", "Host:", "Host: a,b", "Host : h", "X: y", "Host: h\r\nHost: h"];
const HEADERS: &[&str] = &[
    "A: b",
    "Connection: close",
    "Connection: keep-alive",
    "Cookie: a=b",
    "cookie: c",
    "X-A: 1",
    "x-a:\t2 ",
    "X_A: 3",
    "Proxy: p",
    "Content-Type: t/p",
    "Expect: 100-continue",
    "Upgrade: h2c",
    "Connection: Upgrade, HTTP2-Settings",
    "X-B: \u{e9}\u{ff}",
    "Content-Length: 1",
    "Transfer-Encoding: chunked",
    "Transfer-Encoding:",
    "Content-Length: 0",
    "B:",
    "Range: bytes=0-",
    "X-Forwarded-For: 1.2.3.4",
    "TE: trailers",
    " folded: x",
    "A b",
    ": x",
    "A: b\rc",
    "A: \u{0}",
    "Connection: close, keep-alive",
    "Content-Length : 5",
    "A\u{b}: x",
];
const LINE_ENDS: &[&str] = &["\r\n", "\r\n", "\r\n", "\r\n", "\r\n", "\r\n", "\r\n", "\n", "\r", "\r\r\n", ""];
const SIZES: &[&str] = &["", "0", "00", "F", "+", "0x", "-", " ", "FFFFFFFFFFFFFFFF", "10000000000000000", "g", "_"];
const EXTENSIONS: &[&str] = &[
    "",
    "",
    "",
    ";a",
    ";a=b",
    ";a=\"b;\\\"\"",
    ";a=\"\u{e9}\t\";c",
    "; a",
    ";",
    ";=",
    ";a=",
    ";a=\"",
    ";a\u{1}",
    " ",
    ";a=\"b\"c",
    ";a\n",
    ";a=\"\r\n\"",
];
const TRAILERS: &[&str] = &[
    "T: u",
    "X-A: 9",
    "Content-Length: 5",
    "Transfer-Encoding: x",
    "T:",
    " T: u",
    "T",
    "T: \r",
    "T: \u{0}",
    "Host: h",
];

impl Recipe<'_> {
    fn byte(&mut self) -> u8 {
        let Some((byte, left)) = self.left.split_first() else { return 0 };
        self.left = left;
        *byte
    }

    /// The higher a byte, the rarer its choice: of 256 values half are the first, harmless part of the list.
    fn choice(&mut self, list: &[&'static str]) -> &'static str {
        let byte = usize::from(self.byte());
        if byte < 128 { list[byte % (list.len() / 2).max(1)] } else { list[byte % list.len()] }
    }

    fn put(&mut self, text: &str) {
        // Latin-1: what is one character above is one byte on the wire.
        self.stream.extend(text.chars().map(|letter| u8::try_from(letter).unwrap()));
    }

    fn put_choice(&mut self, list: &[&'static str]) {
        let text = self.choice(list);
        self.put(text);
    }

    /// Up to 15 of the recipe's own bytes, or one of them many times.
    fn put_bytes(&mut self) {
        let byte = self.byte();
        let count = usize::from(byte & 0xf);
        if byte < 0xf8 || self.stream.len() > LONGEST {
            let (bytes, left) = self.left.split_at(self.left.len().min(count));
            self.stream.extend_from_slice(bytes);
            self.left = left;
        } else {
            let filler = self.byte();
            self.stream.extend(std::iter::repeat_n(filler, 16 << count.min(10)));
        }
    }

    fn messages(mut self) -> Vec<u8> {
        while !self.left.is_empty() && self.stream.len() < LONGEST {
            self.message();
        }
        self.stream
    }

    fn message(&mut self) {
        let kind = self.byte();
        if kind & 0xc0 == 0xc0 {
            // Something between the messages.
            match kind & 3 {
                0 => self.put("\r\n"),
                1 => self.put_choice(LINE_ENDS),
                _ => self.put_bytes(),
            }
        }
        self.put_choice(METHODS);
        self.put(" ");
        self.put_choice(TARGETS);
        if kind & 0x20 != 0 {
            self.put_bytes();
        }
        self.put(" ");
        self.put_choice(VERSIONS);
        self.put_choice(LINE_ENDS);
        self.put_choice(HOSTS);
        self.put_choice(LINE_ENDS);
        for _ in 0..self.byte() & 7 {
            self.header();
        }
        match kind & 0xc {
            0 => self.put("\r\n"),
            4 => self.with_length(),
            _ => self.with_chunks(),
        }
    }

    fn header(&mut self) {
        let own = self.byte();
        if own < 0xc0 {
            self.put_choice(HEADERS);
        } else {
            self.put_bytes();
            self.put(if own & 1 == 0 { ": " } else { ":" });
            self.put_bytes();
        }
        self.put_choice(LINE_ENDS);
    }

    fn with_length(&mut self) {
        let (length, difference) = (usize::from(self.byte()), self.byte());
        let sign = self.choice(&["", "", "", "+", "-", "0", "\t", "1,", "9223372036854775807", "0x"]);
        self.put(&format!("Content-Length: {sign}{length}"));
        self.put_choice(LINE_ENDS);
        self.put("\r\n");
        // Mostly a body as long as announced; else the next message begins too early or too late.
        let length =
            if difference < 0xe0 { length } else { length.wrapping_add_signed(isize::from(difference.cast_signed())) };
        self.data(length.min(1024));
    }

    fn with_chunks(&mut self) {
        self.put_choice(&[
            "Transfer-Encoding: chunked",
            "transfer-encoding:Chunked",
            "Transfer-Encoding: x, chunked",
            "TE: x",
        ]);
        self.put_choice(LINE_ENDS);
        self.put("\r\n");
        for _ in 0..self.byte() & 3 {
            let (length, oddity) = (usize::from(self.byte()), self.byte());
            if oddity < 0xe0 {
                let zeros = usize::from(oddity & 0x1f).saturating_sub(14);
                self.put(&format!("{}{length:x}", "0".repeat(zeros)));
            } else {
                self.put_choice(SIZES);
            }
            self.put_choice(EXTENSIONS);
            self.put_choice(LINE_ENDS);
            self.data(length);
            self.put_choice(LINE_ENDS);
        }
        self.put("0");
        self.put_choice(EXTENSIONS);
        self.put_choice(LINE_ENDS);
        for _ in 0..self.byte() & 3 {
            self.put_choice(TRAILERS);
            self.put_choice(LINE_ENDS);
        }
        self.put_choice(LINE_ENDS);
    }

    /// Bytes of a body, which look like a request to whoever loses count.
    fn data(&mut self, length: usize) {
        let text = b"GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n";
        self.stream.extend(text.iter().cycle().take(length));
    }
}
