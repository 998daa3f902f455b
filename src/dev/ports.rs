//! Binds what `monopod dev` listens on; of a port in use it tells the command with the next one that is free.

use std::ffi::OsString;
use std::io;
use std::net::TcpListener;

use crate::config::error::StartError;
use crate::config::settings::{Bind, Serve};
use crate::config::shell_words::quoted;
use crate::net::listen::{self, Listener};

/// So many ports behind the one that is in use are tried.
const TRIED: u16 = 100;

/// Binds all of `serve`; `words` are those of the command line, with the program's name.
///
/// # Errors
/// `StartError` (69) with what to do.
pub fn bind_all(serve: &Serve, words: &[OsString]) -> Result<Vec<Listener>, StartError> {
    let mut listeners = Vec::new();
    for bind in &serve.bind {
        match listen::open(bind, serve.backlog) {
            Ok(bound) => listeners.extend(bound),
            Err(error) => return Err(refusal(&serve.bind, bind, &error, words)),
        }
    }
    Ok(listeners)
}

fn refusal(all: &[Bind], bind: &Bind, error: &io::Error, words: &[OsString]) -> StartError {
    let plain = || StartError::unavailable(listen::sentence(bind, "--bind", error));
    let (Bind::Tcp(host, port), io::ErrorKind::AddrInUse) = (bind, error.kind()) else { return plain() };
    let is_free = |port: &u16| TcpListener::bind((host.as_str(), *port)).is_ok();
    let Some(free) = (port.saturating_add(1)..=port.saturating_add(TRIED)).find(is_free) else { return plain() };
    let free = Bind::Tcp(host.clone(), free);
    let instead: Vec<&Bind> = all.iter().map(|one| if one == bind { &free } else { one }).collect();
    StartError::unavailable(format!(
        "{bind} is in use by another process: stop it, or run `{}`",
        with_binds(words, &instead)
    ))
}

/// The command line with these addresses.
fn with_binds(words: &[OsString], binds: &[&Bind]) -> String {
    let mut kept = vec!["monopod".to_owned()];
    let mut words = words.iter().skip(1).map(|word| word.to_string_lossy().into_owned());
    let mut behind = Vec::new();
    while let Some(word) = words.next() {
        match word.as_str() {
            // No option comes behind it.
            "--" => behind = std::iter::once(word).chain(words.by_ref()).map(|word| quoted(&word)).collect(),
            "-b" | "--bind" => drop(words.next()),
            word if word.starts_with("--bind=") || word.starts_with("-b") && !word.starts_with("--") => {}
            word => kept.push(quoted(word)),
        }
    }
    kept.extend(binds.iter().flat_map(|bind| ["--bind".to_owned(), quoted(&bind.to_string())]));
    kept.extend(behind);
    kept.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_used_port_comes_with_the_command_for_a_free_one() {
        let used = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = used.local_addr().unwrap().port();
        let bind = Bind::Tcp("127.0.0.1".into(), port);
        let words = ["/bin/monopod", "dev", "-b", "x", "--bind=y", "--threads", "2", "--", "app:make()"];
        let words = words.map(OsString::from);
        let error = listen::open(&bind, 16).unwrap_err();
        let all = [Bind::Unix("/run/app.sock".into()), bind.clone()];
        let told = refusal(&all, &bind, &error, &words).to_string();
        let start = format!(
            "127.0.0.1:{port} is in use by another process: stop it, or run `monopod dev --threads 2 --bind {} --bind 127.0.0.1:",
            all[0]
        );
        let free = told.strip_prefix(&start).and_then(|rest| rest.strip_suffix(" -- 'app:make()'`"));
        let free = free.unwrap_or_else(|| panic!("{told}"));
        assert!(free.parse::<u16>().unwrap() > port);
    }
}
