//! Opens the application in a browser (`--open`): by `$BROWSER`, as Python's `webbrowser` reads it, else by the desktop's
//! own command.

use std::process::{Command, Stdio};

/// What desktops have, in the order in which they are tried; the last is that of Windows below WSL.
const OPENERS: [&str; 5] = ["xdg-open", "gio open", "gnome-open", "kde-open", "wslview"];

/// Opens `url`, and does not wait for it. False: there is nothing to open it with.
#[must_use]
pub fn open(url: &str, browser: Option<&str>) -> bool {
    let named = browser.unwrap_or_default().split(':').filter(|command| !command.trim().is_empty());
    named.chain(OPENERS).any(|command| start(command, url))
}

fn start(command: &str, url: &str) -> bool {
    let mut words: Vec<String> = command.split_whitespace().map(|word| word.replace("%s", url)).collect();
    if !command.contains("%s") {
        words.push(url.to_owned());
    }
    let Some((program, arguments)) = words.split_first() else { return false };
    let mut process = Command::new(program);
    process.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let Ok(mut child) = process.spawn() else { return false };
    // Some browsers run on; the thread ends with the process.
    drop(std::thread::Builder::new().name("monopod-browser".into()).spawn(move || child.wait()));
    true
}

/// The URL that a browser on this machine reaches `address` by: that of all interfaces is none.
#[must_use]
pub fn url_of(address: std::net::SocketAddr) -> String {
    let host = match address.ip() {
        ip if ip.is_unspecified() || ip.is_loopback() && ip.is_ipv4() => "127.0.0.1".to_owned(),
        std::net::IpAddr::V6(ip) => format!("[{ip}]"),
        std::net::IpAddr::V4(ip) => ip.to_string(),
    };
    format!("http://{host}:{}/", address.port())
}
