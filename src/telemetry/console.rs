//! What a command says to the person who typed it: results on standard output, complaints on standard error.
//!
//! A reader that has gone wanted no more, and complaints that cannot be written are nobody's to tell; but whoever asked
//! for a result and does not get it, as the disk is full, is told.

use std::io::{ErrorKind, Write};

use crate::config::StartError;

/// Writes `text` to standard output, as whole lines.
///
/// # Errors
/// [`StartError::Output`] when it is not all there, unless its reader has gone.
pub fn print(text: &str) -> Result<(), StartError> {
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{}", text.trim_end_matches('\n')).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(StartError::output(format!(
            "standard output cannot be written ({error}): what was asked for is not all there"
        ))),
        _ => Ok(()),
    }
}

/// Writes `text` to standard error, as whole lines and at once: others may write to the same pipe.
pub fn print_error(text: &str) {
    drop(std::io::stderr().lock().write_all(format!("{text}\n").as_bytes()));
}

/// Writes one sentence to standard error.
pub fn complain(sentence: &str) {
    print_error(&format!("monopod: {sentence}"));
}
