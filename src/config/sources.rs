//! The layers below the command line and their ranks.
//!
//! Values are kept as text under their option's key, checked by the option's own parser when they arrive, so that an
//! error names the variable or file it came from. Who offers a key first wins, so layers are offered from the highest
//! rank down. Called by `resolve`. The environment comes in as a closure; the process environment is never read.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use clap::Arg;

use super::error::StartError;
use super::{options, values};

/// Looks a variable up in the environment.
pub type Env<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The command line.
    Flag,
    /// A keyword argument of a program (`monopod.Server`).
    Keyword,
    /// The environment variable of this name.
    Env(String),
    /// This configuration file.
    File(PathBuf),
    /// Worked out from the container: its limits, or that it is one.
    Container,
    /// Nobody said anything.
    Default,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag => f.write_str("flag"),
            Self::Keyword => f.write_str("argument"),
            Self::Env(name) => write!(f, "env {name}"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Container => f.write_str("container"),
            Self::Default => f.write_str("default"),
        }
    }
}

impl Source {
    /// How a sentence names a value of this option from here.
    #[must_use]
    pub fn label(&self, arg: &Arg) -> String {
        match self {
            Self::Env(name) => name.clone(),
            Self::File(path) => format!("`{}` in {}", options::key(arg), path.display()),
            Self::Keyword => arg.get_id().to_string(),
            Self::Flag | Self::Container | Self::Default => options::flag(arg),
        }
    }

    /// A refusal of a value from here: of the usage when it was typed, of the configuration otherwise.
    #[must_use]
    pub fn refuse(&self, sentence: String) -> StartError {
        match self {
            Self::Flag | Self::Keyword => StartError::usage(sentence),
            _ => StartError::config(sentence),
        }
    }
}

/// The values of one option and where they come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// As written; one, or several for a list.
    pub values: Vec<OsString>,
    /// Where from.
    pub source: Source,
}

/// What the layers offered so far, by the option's id.
#[derive(Debug, Default)]
pub struct Layers(BTreeMap<String, Given>);

impl Layers {
    /// What was offered for the option.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Given> {
        self.0.get(id)
    }

    /// Checks the values and takes them unless a higher layer has spoken. No values are the same as no offer.
    ///
    /// # Errors
    /// [`StartError::Config`] when the option's parser refuses a value, even if a higher layer has spoken.
    pub fn offer(&mut self, arg: &Arg, values: Vec<OsString>, source: Source) -> Result<(), StartError> {
        let label = source.label(arg);
        for value in &values {
            options::check(arg, value, &label).map_err(|sentence| source.refuse(sentence))?;
        }
        if !values.is_empty() {
            self.0.entry(arg.get_id().to_string()).or_insert(Given { values, source });
        }
        Ok(())
    }

    /// Offers each option's `MONOPOD_…` variable; a blank one counts as unset and a list is split at commas.
    ///
    /// # Errors
    /// [`StartError::Config`] naming the variable whose value is refused.
    pub fn offer_environment(&mut self, command: &clap::Command, env: Env<'_>) -> Result<(), StartError> {
        for arg in options::settable(command) {
            let name = options::env_name(arg);
            if let Some(value) = lookup(env, &name) {
                self.offer(arg, items(arg, value), Source::Env(name))?;
            }
        }
        Ok(())
    }

    /// Offers what platforms set: `PORT` as `--bind HOST:$PORT`, `WEB_CONCURRENCY` as `--workers`, and gunicorn's own
    /// `FORWARDED_ALLOW_IPS`. They are not the operator's words, so they are looked at only where neither flag nor
    /// `MONOPOD_…` spoke (`typed` tells of flags).
    ///
    /// # Errors
    /// [`StartError::Config`] when the one that counts is refused.
    pub fn offer_platform(
        &mut self,
        command: &clap::Command,
        env: Env<'_>,
        host: &str,
        typed: &dyn Fn(&str) -> bool,
    ) -> Result<(), StartError> {
        for arg in options::settable(command) {
            let id = arg.get_id().as_str();
            let Some(name) = platform_name(id).filter(|_| !typed(id) && self.get(id).is_none()) else { continue };
            let Some(value) = lookup(env, name) else { continue };
            let values = if id == "bind" {
                let port = values::whole(0_u16, u16::MAX)(&value.to_string_lossy());
                let port = port.map_err(|reason| StartError::config(format!("{name} {reason}.")))?;
                vec![format!("{host}:{port}").into()]
            } else {
                items(arg, value)
            };
            self.offer(arg, values, Source::Env(name.to_owned()))?;
        }
        Ok(())
    }

    /// The command with these layers as its defaults, so that whatever is typed outranks them.
    #[must_use]
    pub fn beneath(&self, command: clap::Command) -> clap::Command {
        command.mut_args(|arg| match self.get(arg.get_id().as_str()) {
            Some(given) => arg.default_values(given.values.clone()),
            None => arg,
        })
    }
}

/// The variable by which platforms set an option, if there is one.
#[must_use]
pub fn platform_name(id: &str) -> Option<&'static str> {
    match id {
        "bind" => Some("PORT"),
        "workers" => Some("WEB_CONCURRENCY"),
        "forwarded_allow_ips" => Some("FORWARDED_ALLOW_IPS"),
        _ => None,
    }
}

/// The values in a variable; a list is split at commas.
fn items(arg: &Arg, value: OsString) -> Vec<OsString> {
    match value.to_str() {
        Some(list) if options::is_list(arg) => {
            list.split(',').map(str::trim).filter(|item| !item.is_empty()).map(OsString::from).collect()
        }
        _ => vec![value],
    }
}

/// The variable's value, unless it is blank.
#[must_use]
pub fn lookup(env: Env<'_>, name: &str) -> Option<OsString> {
    env(name).filter(|value| !value.to_string_lossy().trim().is_empty())
}
