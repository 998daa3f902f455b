//! A directory that is served, with secrets beside it, and what every answer about it must hold.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::server::Server;
use crate::wire::{Answer, Conn};

/// What every file outside the root holds, and every hidden one inside it.
const SECRET: &str = "this must not leave the machine";
/// What `plain.txt` holds.
pub const PLAIN: &str = "inside\n";
/// How long an attack may take: hundreds of times what it does.
const WITHIN: Duration = Duration::from_secs(5);

/// `static/` is to be served, `secret.txt` beside it is not.
pub struct Site {
    dir: TempDir,
}

impl Site {
    pub fn new() -> Self {
        let site = Self { dir: tempfile::tempdir().unwrap() };
        site.write("secret.txt", SECRET);
        site.write("static/plain.txt", PLAIN);
        site
    }

    /// The real path of a file or directory, links resolved.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().canonicalize().unwrap().join(name)
    }

    pub fn write(&self, name: &str, content: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// A file that nobody may see.
    pub fn write_secret(&self, name: &str) {
        self.write(name, SECRET);
    }

    pub fn link(&self, target: impl AsRef<Path>, name: &str) {
        symlink(target, self.path(name)).unwrap();
    }

    /// Serves `static/` at `/static`; the rest is the application's, which echoes.
    pub fn serve(&self) -> Server {
        Server::with(&["--static", &format!("/static={}", self.path("static").display())])
    }
}

/// The answer to a request, given by its bytes: with nothing of a secret in it, in time, and on a connection that is
/// either closed for an error or good for the next request.
pub fn attack(server: &Server, request: impl AsRef<[u8]>) -> Answer {
    let request = request.as_ref();
    let began = Instant::now();
    let mut conn = server.connect();
    conn.send(request);
    let answer = if request.starts_with(b"HEAD ") { conn.head() } else { conn.answer() };
    let shown = String::from_utf8_lossy(request);
    assert!(!format!("{answer:?}").contains(SECRET), "{shown}: {answer:?}");
    if answer.header("connection") == Some("close") {
        conn.assert_closed();
    } else {
        assert_ne!(answer.status, 400, "{shown}");
        assert_eq!(conn.get("/after"), "GET /after 0 ", "{shown}");
    }
    let took = began.elapsed();
    assert!(took < WITHIN, "{shown}: {took:?}");
    answer
}

/// The answer to a GET of `path`, looked at as by `attack`.
pub fn attack_path(server: &Server, path: &str) -> Answer {
    attack(server, get(path, ""))
}

/// That a path is not found, whoever looks.
pub fn assert_not_found(server: &Server, path: &str) {
    let answer = attack_path(server, path);
    assert_eq!((answer.status, answer.body.as_str()), (404, "404 Not Found\n"), "{path}");
}

/// That `plain.txt` is there, and is what it was.
pub fn assert_plain(conn: &mut Conn) {
    assert_eq!(conn.get("/static/plain.txt"), PLAIN);
}

/// A request; each line of `fields` ends with CR and LF.
pub fn get(path: &str, fields: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a.example\r\n{fields}\r\n")
}
