//! The command that was meant by a word that is none: `chekc` is a TARGET by rule, and hardly by intent.
//!
//! Pure.

use clap::Command;

/// The subcommand that `word` is a slip of, if it can be one: a bare word, and one letter in three wrong at most. A command
/// itself is also meant, where it is behind an option and so was taken for a TARGET.
pub fn command(face: &Command, word: &str) -> Option<String> {
    if word.is_empty() || !word.chars().all(|char| char.is_ascii_alphabetic()) {
        return None;
    }
    let distance = |name: &str| strsim::osa_distance(&word.to_ascii_lowercase(), name);
    let names = face.get_subcommands().map(Command::get_name);
    let near = names.map(|name| (distance(name), name)).min_by_key(|(distance, _)| *distance);
    near.filter(|(distance, name)| *distance <= (name.len() / 3).max(1)).map(|(_, name)| name.to_owned())
}
