//! The first words of `monopod dev`: where it is, and what answers there.
//!
//! Said by the supervisor, or without one by the server itself.

use std::time::Duration;

use super::link::Ready;
use super::terminal::{Terminal, shown};
use crate::net::listen::Listener;
use crate::telemetry::console;

/// Where it is, which is so from the beginning: who comes before the application is ready waits.
pub fn greet(terminal: &Terminal, listeners: &[Listener], reloads: bool) {
    let addresses: Vec<String> =
        listeners.iter().map(|listener| terminal.painted("1;36", &listener.to_string())).collect();
    let title = terminal.painted("1", concat!("monopod ", env!("CARGO_PKG_VERSION")));
    console::print(&format!("{title} dev, for development only: in production run `monopod serve`"));
    console::print(&format!("  listening on {}", addresses.join(", ")));
    let what = if reloads { "reloading on change" } else { "not reloading" };
    terminal.note(&format!("  {what}; Ctrl-C ends it"));
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
