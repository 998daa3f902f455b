//! What a command says to the person who typed it: results on standard output, complaints on standard error.
//!
//! A closed stream is nobody's to tell, so errors of writing are dropped.

use std::io::Write;

/// Writes `text` to standard output.
pub fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    drop(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
}

/// Writes one sentence to standard error.
pub fn complain(sentence: &str) {
    drop(writeln!(std::io::stderr().lock(), "monopod: {sentence}"));
}
