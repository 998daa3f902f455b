//! Starts the binary on a free port, waits for its ready line, and ends it when dropped.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::wire::Conn;

/// How long a start may take.
const READY_WITHIN: Duration = Duration::from_secs(20);

/// A running server.
pub struct Server {
    process: Child,
    address: SocketAddr,
}

impl Server {
    /// With two threads and no further options.
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// With `options` beside.
    pub fn with(options: &[&str]) -> Self {
        Self::serving("app:app", options)
    }

    /// Another application of this directory; `options` may say another number of threads.
    pub fn serving(app: &str, options: &[&str]) -> Self {
        let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/http");
        let mut command = Command::new(env!("CARGO_BIN_EXE_monopod"));
        command
            .args(["serve", app, "--bind", "127.0.0.1:0", "--log-format", "text", "--chdir"])
            .arg(here)
            .args(if options.contains(&"--threads") { &[][..] } else { &["--threads", "2"] })
            .args(options)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        for (name, _) in std::env::vars() {
            if name.starts_with("MONOPOD_") || matches!(name.as_str(), "PORT" | "WEB_CONCURRENCY") {
                command.env_remove(name);
            }
        }
        // In a container every server would want the same admin port.
        command.env("MONOPOD_ADMIN_BIND", "none");
        let mut process = command.spawn().expect("the binary starts");
        let stdout = process.stdout.take().expect("stdout is piped");
        let (tell, told) = mpsc::channel();
        thread::spawn(move || {
            // To the end, so that the server never blocks on a full pipe.
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if let Some((_, rest)) = line.split_once("listening on http://") {
                    drop(tell.send(rest.split_whitespace().next().unwrap_or_default().to_owned()));
                }
            }
        });
        let Ok(address) = told.recv_timeout(READY_WITHIN) else {
            drop(process.kill());
            panic!("no ready line within {READY_WITHIN:?}; {:?}", process.wait());
        };
        Self { process, address: address.parse().expect("the ready line names an address") }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A new connection.
    pub fn connect(&self) -> Conn {
        Conn::new(TcpStream::connect(self.address).expect("the server accepts"))
    }

    /// User and system time used so far, in hundredths of a second (proc_pid_stat(5)).
    pub fn cpu(&self) -> u64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.process.id())).unwrap();
        let (_, fields) = stat.rsplit_once(") ").unwrap();
        fields.split(' ').skip(11).take(2).map(|ticks| ticks.parse::<u64>().unwrap()).sum()
    }

    /// That a new client is answered.
    pub fn assert_alive(&self) {
        assert_eq!(self.connect().get("/alive"), "GET /alive 0 ");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
