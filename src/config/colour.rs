//! Whether what is written may have colours: on a terminal that shows them, for a person who wants them.
//!
//! Pure: the environment and what is known of the stream are handed in.

use super::sources::{Env, lookup};

/// Whether to colour what goes to a stream. `NO_COLOR` (<https://no-color.org>), `CLICOLOR=0` and `TERM=dumb` say no.
#[must_use]
pub fn wants_colour(env: Env<'_>, is_terminal: bool) -> bool {
    let is = |name: &str, value: &str| env(name).is_some_and(|said| said == value);
    is_terminal && lookup(env, "NO_COLOR").is_none() && !is("CLICOLOR", "0") && !is("TERM", "dumb")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_for_terminals_of_people_who_want_them() {
        for (vars, is_terminal, expected) in [
            (&[][..], true, true),
            (&[], false, false),
            (&[("NO_COLOR", "1")], true, false),
            (&[("NO_COLOR", "")], true, true),
            (&[("CLICOLOR", "0")], true, false),
            (&[("CLICOLOR", "1")], false, false),
            (&[("TERM", "dumb")], true, false),
            (&[("TERM", "xterm-256color")], true, true),
        ] {
            let env = |name: &str| vars.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into());
            assert_eq!(wants_colour(&env, is_terminal), expected, "{vars:?}");
        }
    }
}
