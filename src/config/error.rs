//! Why the server did not start: one sentence that says what to do, and the exit code that goes with it.
//!
//! Every room returns `StartError` from its start-up path; `main` prints it and exits. Errors of single requests are
//! not its business.

/// A reason not to start. `Display` is the sentence; each variant has a code of `sysexits.h`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// The command line is wrong (`EX_USAGE`, 64).
    #[error("{0}")]
    Usage(String),
    /// A file that was named cannot be read (`EX_NOINPUT`, 66).
    #[error("{0}")]
    NoInput(String),
    /// Something the server needs is not to be had, such as a port in use (`EX_UNAVAILABLE`, 69).
    #[error("{0}")]
    Unavailable(String),
    /// The application or the server itself failed, such as a failing import (`EX_SOFTWARE`, 70).
    #[error("{0}")]
    Software(String),
    /// As `Software`: there is no module of the name that TARGET has, which may be a command with a slip in it.
    #[error("{0}")]
    NoModule(String),
    /// The result cannot be written (`EX_IOERR`, 74).
    #[error("{0}")]
    Output(String),
    /// The environment or the configuration file is wrong (`EX_CONFIG`, 78).
    #[error("{0}")]
    Config(String),
}

impl StartError {
    /// The command line is wrong: exit code 64.
    pub fn usage(sentence: impl Into<String>) -> Self {
        Self::Usage(sentence.into())
    }

    /// A file that was named cannot be read: exit code 66.
    pub fn no_input(sentence: impl Into<String>) -> Self {
        Self::NoInput(sentence.into())
    }

    /// A resource is not to be had: exit code 69.
    pub fn unavailable(sentence: impl Into<String>) -> Self {
        Self::Unavailable(sentence.into())
    }

    /// The application or the server failed: exit code 70.
    pub fn software(sentence: impl Into<String>) -> Self {
        Self::Software(sentence.into())
    }

    /// The result cannot be written: exit code 74.
    pub fn output(sentence: impl Into<String>) -> Self {
        Self::Output(sentence.into())
    }

    /// The environment or the configuration file is wrong: exit code 78.
    pub fn config(sentence: impl Into<String>) -> Self {
        Self::Config(sentence.into())
    }

    /// The process exit code, as `sysexits.h` numbers it.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => 64,
            Self::NoInput(_) => 66,
            Self::Unavailable(_) => 69,
            Self::Software(_) | Self::NoModule(_) => 70,
            Self::Output(_) => 74,
            Self::Config(_) => 78,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::StartError;

    #[test]
    fn each_reason_has_its_sysexits_code_and_shows_its_sentence() {
        let table = [
            (StartError::usage("a"), 64, "a"),
            (StartError::no_input("e"), 66, "e"),
            (StartError::unavailable("b"), 69, "b"),
            (StartError::software("c"), 70, "c"),
            (StartError::NoModule("f".into()), 70, "f"),
            (StartError::output("g"), 74, "g"),
            (StartError::config("d"), 78, "d"),
        ];
        for (error, code, sentence) in table {
            assert_eq!(error.exit_code(), code);
            assert_eq!(error.to_string(), sentence);
        }
    }
}
