//! What was found in a configuration, and what became of each piece of it.
//!
//! The readers of the servers' formats make [`Setting`]s, the tables turn each into exactly one [`Finding`].

use super::secrets;

/// Where a setting stands: a file and its line, or a command line.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Place {
    /// As the operator called it.
    pub source: String,
    pub line: Option<usize>,
}

/// One setting as it was written, or as it was computed by the configuration's own code.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Setting {
    pub place: Place,
    /// As its server calls it; for nginx with the block it is in.
    pub name: String,
    /// What it is set to; several where the server takes a list, none for a bare switch.
    pub values: Vec<String>,
    /// The value is not written there but computed, so another machine may have another.
    pub computed: bool,
    /// It is written as an assignment.
    pub assigned: bool,
}

impl Setting {
    /// The single value, the last of several.
    #[must_use]
    pub fn value(&self) -> &str {
        self.values.last().map_or("", String::as_str)
    }

    /// The values as they may be shown to anybody.
    #[must_use]
    pub fn shown(&self) -> String {
        secrets::words(&self.name, &self.values).join(if self.name.contains("env") { ", " } else { " " })
    }

    /// Whether it is a switch that is off, or nothing at all.
    #[must_use]
    pub fn is_off(&self) -> bool {
        let off = ["false", "no", "off", "0", "none", ""];
        !self.values.is_empty() && self.values.iter().all(|value| off.contains(&value.to_ascii_lowercase().as_str()))
    }
}

/// What became of a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// An option of monopod says the same.
    Kept,
    /// monopod does it anyway, or there is nothing left that needs it.
    NotNeeded,
    /// Not done here; the note says what to do instead.
    Dropped,
    /// Planned, and not in this version.
    NotYet,
    /// Nothing is known of it.
    Unknown,
}

impl Status {
    pub const ALL: [Self; 5] = [Self::Kept, Self::NotNeeded, Self::Dropped, Self::NotYet, Self::Unknown];

    /// The word of the report.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::NotNeeded => "not needed",
            Self::Dropped => "dropped",
            Self::NotYet => "not yet",
            Self::Unknown => "unknown",
        }
    }
}

/// An option of monopod and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// The key of the configuration file, which is the flag without its dashes.
    pub key: String,
    pub value: String,
}

/// A setting and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub setting: Setting,
    pub status: Status,
    /// What stands for it now.
    pub becomes: Vec<Choice>,
    /// Why, and what to do; may be empty for what is kept.
    pub note: String,
}

impl Finding {
    /// A finding that no option stands for.
    #[must_use]
    pub fn new(setting: Setting, status: Status, note: impl Into<String>) -> Self {
        Self { setting, status, becomes: Vec::new(), note: note.into() }
    }

    #[must_use]
    pub fn not_needed(setting: Setting, note: impl Into<String>) -> Self {
        Self::new(setting, Status::NotNeeded, note)
    }

    #[must_use]
    pub fn dropped(setting: Setting, note: impl Into<String>) -> Self {
        Self::new(setting, Status::Dropped, note)
    }

    #[must_use]
    pub fn not_yet(setting: Setting, note: impl Into<String>) -> Self {
        Self::new(setting, Status::NotYet, note)
    }

    #[must_use]
    pub fn unknown(setting: Setting, note: impl Into<String>) -> Self {
        Self::new(setting, Status::Unknown, note)
    }
}
