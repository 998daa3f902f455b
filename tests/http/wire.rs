//! A client that speaks bytes; every read is bounded.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

/// How long any read may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// One client connection.
pub struct Conn {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// A response with a Content-Length, or without a body.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Answer {
    /// The value of a header that is not repeated.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str());
        let value = values.next();
        assert_eq!(values.next(), None, "{name} is repeated");
        value
    }
}

impl Conn {
    pub fn new(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(TIMEOUT)).unwrap();
        stream.set_write_timeout(Some(TIMEOUT)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, buffer: Vec::new() }
    }

    /// Sends `bytes`; the server must still be there.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).expect("the server takes it");
    }

    /// Sends as much of `bytes` as the server takes.
    pub fn send_what_is_taken(&mut self, bytes: &[u8]) {
        drop(self.stream.write_all(bytes));
    }

    /// Ends the sending half.
    pub fn end_sending(&mut self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }

    /// As `end_sending`, unless the server has closed already.
    pub fn end_sending_if_open(&mut self) {
        drop(self.stream.shutdown(Shutdown::Write));
    }

    /// The body of the answer to a GET.
    pub fn get(&mut self, path: &str) -> String {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: a.example\r\n\r\n"));
        let answer = self.answer();
        assert_eq!(answer.status, 200);
        answer.body
    }

    /// The next answer, to any method but HEAD.
    pub fn answer(&mut self) -> Answer {
        let mut answer = self.head();
        if let Some(len) = answer.header("content-length").map(|len| len.parse().unwrap()) {
            self.fill(len);
            answer.body = String::from_utf8_lossy(&self.buffer.drain(..len).collect::<Vec<_>>()).into_owned();
        }
        answer
    }

    /// The next status line and headers alone.
    pub fn head(&mut self) -> Answer {
        let end = loop {
            if let Some(at) = self.buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            self.fill(self.buffer.len() + 1);
        };
        let raw = String::from_utf8_lossy(&self.buffer.drain(..end).collect::<Vec<_>>()).into_owned();
        let mut lines = raw.trim_end().split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).expect("a status").parse().expect("a number");
        let headers = lines.map(|line| line.split_once(':').expect("a header"));
        let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned())).collect();
        Answer { status, headers, body: String::new() }
    }

    /// That the server closes and sends nothing more.
    pub fn assert_closed(&mut self) {
        assert_eq!(String::from_utf8_lossy(&self.rest()), "");
    }

    /// All until the server closes.
    pub fn rest(&mut self) -> Vec<u8> {
        match self.stream.read_to_end(&mut self.buffer) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
            Err(error) => panic!("the server does not close: {error}"),
        }
        std::mem::take(&mut self.buffer)
    }

    /// Reads until the buffer has `len` bytes.
    fn fill(&mut self, len: usize) {
        while self.buffer.len() < len {
            let mut chunk = [0; 16 * 1024];
            match self.stream.read(&mut chunk) {
                Ok(0) => panic!("the server closed after {:?}", String::from_utf8_lossy(&self.buffer)),
                Ok(count) => self.buffer.extend_from_slice(&chunk[..count]),
                Err(error) => panic!("{error} after {:?}", String::from_utf8_lossy(&self.buffer)),
            }
        }
    }
}
