//! A reading: the command line parsed over the layers there are so far.
//!
//! Called by `resolve`, once per layer that a later one depends on. Knows who said what, so it words the refusals that
//! no single value's parser can make: a directory or file that is not there, two directories for one URL.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::parser::ValueSource;
use clap::{Arg, ArgMatches};

use super::body_sizes::{BodySize, BodySizes};
use super::error::StartError;
use super::file::{self, File};
use super::gunicorn;
use super::options;
use super::settings::{AdminBind, Bind};
use super::sizing::Host;
use super::sources::{Layers, Source};
use super::variables::{Variable, Variables};

/// One option's value and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The option's name: flag without dashes, and file key.
    pub option: String,
    /// Its value as shown to people; `none` when it has none.
    pub value: String,
    /// Each of its values alone, as the configuration file takes them; none when it has none.
    pub values: Vec<String>,
    /// Who said so.
    pub source: Source,
}

/// The command line parsed over the layers there are so far.
pub struct Reading<'a> {
    command: &'a clap::Command,
    layers: &'a Layers,
    /// What clap made of it.
    pub matches: ArgMatches,
}

impl<'a> Reading<'a> {
    /// Parses the arguments; whatever they leave out comes from the layers.
    ///
    /// # Errors
    /// [`StartError::Usage`] for what was typed; the layers' values were checked when they were offered.
    pub fn of(command: &'a clap::Command, layers: &'a Layers, args: &[OsString]) -> Result<Self, StartError> {
        let parsed = layers.beneath(command.clone()).try_get_matches_from(args);
        let matches = parsed.map_err(|error| StartError::usage(options::sentence(&error, None)))?;
        Ok(Self { command, layers, matches })
    }

    /// The working directory to change to, absolute and there.
    ///
    /// # Errors
    /// When it is not there.
    pub fn chdir(&self, host: &Host) -> Result<Option<PathBuf>, StartError> {
        let chdir = self.matches.get_one::<PathBuf>("chdir").map(|chdir| host.cwd.join(chdir));
        if let Some(missing) = chdir.as_ref().filter(|directory| !directory.is_dir()) {
            return Err(self.refuse("chdir", &format!("wants a directory, and {} is none", missing.display())));
        }
        Ok(chdir)
    }

    /// The configuration file. It is looked for where flag and environment lead; a `chdir` inside cannot move it.
    ///
    /// # Errors
    /// When a file that was named is not there, or the file cannot be read.
    pub fn file(&self, host: &Host) -> Result<Option<File>, StartError> {
        let directory = self.chdir(host)?.unwrap_or_else(|| host.cwd.clone());
        let Some(shown) = self.matches.get_one::<PathBuf>("config") else { return file::discover(&directory) };
        if gunicorn::is_file_of_its_own(shown) {
            let advice = format!("`monopod explain {}` says what goes into one", shown.display());
            return Err(self.refuse("config", &format!("wants a monopod.toml, not a file of gunicorn's: {advice}")));
        }
        let missing = || self.refuse("config", &format!("wants a file, and there is no {}", shown.display()));
        file::open(shown, &host.cwd.join(shown))?.ok_or_else(missing).map(Some)
    }

    /// What the application is given: the files of each `--env-dir`, and above them `--env`; and what to warn of.
    ///
    /// # Errors
    /// When a directory or a file in it cannot be read, or one of them would say where to look for itself.
    pub fn variables(&self, host: &Host) -> Result<(Variables, Vec<String>), StartError> {
        let directory = self.chdir(host)?.unwrap_or_else(|| host.cwd.clone());
        let (mut variables, mut notes) = (Variables::default(), Vec::new());
        for dir in self.matches.get_many::<PathBuf>("env_dir").unwrap_or_default() {
            let left_out =
                variables.read_dir(&directory.join(dir)).map_err(|reason| self.refuse("env_dir", &reason))?;
            if !left_out.is_empty() {
                let names = left_out.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ");
                notes.push(format!("{names} in {} cannot be the name of a variable and is left out.", dir.display()));
            }
        }
        for variable in self.matches.get_many::<Variable>("env").unwrap_or_default() {
            variables.set(variable.clone());
        }
        let circular = options::settable(self.command)
            .filter(|arg| matches!(arg.get_id().as_str(), "env" | "env_dir" | "chdir" | "config"))
            .map(options::env_name)
            .chain([gunicorn::VARIABLE.to_owned()])
            .find(|name| variables.get(name).is_some());
        match circular {
            Some(name) => Err(StartError::config(format!(
                "{name} says where variables and files are looked for, so it cannot be one of --env or --env-dir: set it \
                 in the environment itself."
            ))),
            None => Ok((variables, notes)),
        }
    }

    /// The refusal of what an option says, in the name of whoever said it.
    fn refuse(&self, id: &str, reason: &str) -> StartError {
        match options::settable(self.command).find(|arg| arg.get_id() == id) {
            Some(arg) => {
                let source = self.source(arg);
                source.refuse(format!("{} {reason}.", source.label(arg)))
            }
            None => StartError::software(format!("{id} {reason}.")),
        }
    }

    fn source(&self, arg: &Arg) -> Source {
        let id = arg.get_id().as_str();
        if self.is_typed(id) || self.is_typed(&format!("no_{id}")) {
            return Source::Flag;
        }
        self.layers.get(id).map_or(Source::Default, |given| given.source.clone())
    }

    /// Whether the option was typed.
    #[must_use]
    pub fn is_typed(&self, id: &str) -> bool {
        // clap panics in debug builds when asked for an id it does not know.
        self.matches.ids().any(|known| known.as_str() == id)
            && self.matches.value_source(id) == Some(ValueSource::CommandLine)
    }

    /// The option's value and who said so.
    #[must_use]
    pub fn origin(&self, arg: &Arg) -> Origin {
        let id = arg.get_id().as_str();
        let written = || self.matches.get_raw(id).unwrap_or_default().map(|value| value.to_string_lossy().into_owned());
        let values: Vec<String> = if let Ok(Some(binds)) = self.matches.try_get_many::<Bind>(id) {
            binds.map(ToString::to_string).collect()
        } else if let Ok(Some(sizes)) = self.matches.try_get_many::<BodySize>(id) {
            BodySizes::new(&sizes.cloned().collect::<Vec<_>>()).shown()
        } else if let Ok(Some(variables)) = self.matches.try_get_many::<Variable>(id) {
            variables.map(|variable| variable.name.clone()).collect()
        } else if let Ok(Some(bind)) = self.matches.try_get_one::<AdminBind>(id) {
            vec![bind.to_string()]
        } else {
            written().collect()
        };
        let value = if values.is_empty() { "none".to_owned() } else { values.join(", ") };
        Origin { option: options::key(arg), value, values, source: self.source(arg) }
    }
}
