//! The first words of `monopod dev`: where it is, and what answers there.
//!
//! Said by the supervisor, or without one by the server itself.

use std::net::SocketAddr;
use std::time::Duration;

use super::link::Ready;
use super::terminal::{Terminal, shown};
use crate::net::listen::Listener;

/// Where it is, which is so from the beginning: who comes before the application is ready waits.
pub fn greet(terminal: &Terminal, listeners: &[Listener], reloads: bool) {
    let addresses: Vec<String> =
        listeners.iter().map(|listener| terminal.painted("1;36", &listener.to_string())).collect();
    let title = terminal.painted("1", concat!("monopod ", env!("CARGO_PKG_VERSION")));
    terminal.say(&format!("{title} dev, for development only: in production run `monopod serve`"));
    terminal.say(&format!("  listening on {}", addresses.join(", ")));
    if listeners.iter().filter_map(Listener::address).any(is_for_others) {
        terminal.say("  others who can reach it see source code; `--bind 127.0.0.1:8000` is for this machine alone");
    }
    let what = if reloads { "reloading on change" } else { "not reloading" };
    terminal.note(&format!("  {what}; Ctrl-C ends it"));
}

/// Whether an address can be reached from elsewhere.
fn is_for_others(address: SocketAddr) -> bool {
    !address.ip().to_canonical().is_loopback()
}

/// What answers there, and how long that took.
pub fn introduce(terminal: &Terminal, ready: &Ready, took: Option<Duration>, threads: usize) {
    let threads = if threads == 1 { "1 thread".to_owned() } else { format!("{threads} threads") };
    let row = |name: &str, text: &str| terminal.note(&format!("  {name:<12} {text}"));
    let after = took.map(|took| format!(", ready after {}", shown(took))).unwrap_or_default();
    row("application", &format!("{}{after}, {threads}", ready.app));
    if !ready.mounts.is_empty() {
        row("static", &ready.mounts);
    }
    if let Some(pin) = &ready.pin {
        row("debugger", &format!("PIN {pin}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_is_for_this_machine_alone() {
        for (address, expected) in [
            ("127.0.0.1:8000", false),
            ("127.0.1.1:8000", false),
            ("[::1]:8000", false),
            ("[::ffff:127.0.0.1]:8000", false),
            ("0.0.0.0:8000", true),
            ("[::]:8000", true),
            ("192.168.0.7:8000", true),
        ] {
            assert_eq!(is_for_others(address.parse().unwrap()), expected, "{address}");
        }
    }
}
