//! What a command says to the person who typed it: results on standard output, complaints on standard error.
//!
//! A closed stream is nobody's to tell, so errors of writing are dropped.

use std::io::Write;

/// Writes `text` to standard output, as whole lines.
pub fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    drop(writeln!(out, "{}", text.trim_end_matches('\n')).and_then(|()| out.flush()));
}

/// Writes `text` to standard error, as whole lines.
pub fn print_error(text: &str) {
    drop(std::io::stderr().lock().write_all(format!("{text}\n").as_bytes()));
}

/// Writes one sentence to standard error.
pub fn complain(sentence: &str) {
    drop(writeln!(std::io::stderr().lock(), "monopod: {sentence}"));
}
