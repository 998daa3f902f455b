//! `monopod explain`: what the configuration of gunicorn, uWSGI, granian and nginx becomes.
//!
//! Readers turn text into settings (`arguments`, `uwsgi_ini`, `nginx::parse`; a gunicorn.conf.py is evaluated by `python`),
//! tables turn each setting into one finding and fill the plan, `report` writes it down. Called by `lib`, which hands in
//! the text. Reads files that configurations name; never runs anything, never writes a file.

pub mod arguments;
mod environment;
pub mod files;
pub mod granian;
pub mod gunicorn;
pub mod gunicorn_table;
pub mod nginx;
pub mod plan;
pub mod reference;
pub mod report;
pub mod rules;
pub mod secrets;
pub mod setting;
pub mod uwsgi;
pub mod uwsgi_ini;
pub mod uwsgi_table;

use std::io;
use std::path::{Path, PathBuf};

use crate::config::shell_words::shell_words;
use arguments::Invocation;
use nginx::Nginx;
use plan::Plan;
use report::Report;
use setting::{Finding, Place, Setting};
use uwsgi_ini::Ini;

/// A server whose configuration can be explained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Server {
    Gunicorn,
    Uwsgi,
    Granian,
    Nginx,
}

/// From a name and a text to settings, or the sentence why not.
pub type Evaluate<'a> = dyn Fn(&str, &str) -> Result<Vec<Setting>, String> + 'a;

/// What the readers ask of the world around them.
pub struct Context<'a> {
    /// The text of a file.
    pub open: &'a dyn Fn(&Path) -> io::Result<String>,
    /// The files that a pattern means.
    pub list: &'a dyn Fn(&Path) -> Vec<PathBuf>,
    pub env: &'a dyn Fn(&str) -> Option<String>,
    /// What a gunicorn.conf.py of this name and text sets, the sentence where it fails.
    pub evaluate: &'a Evaluate<'a>,
    pub cpus: usize,
    /// A proxy that is explained too stands in front of the application server.
    pub behind_proxy: bool,
    /// Configuration files that were read.
    pub read: Vec<String>,
}

/// A file and its text.
#[derive(Debug, Clone)]
pub struct Source {
    pub name: String,
    pub text: String,
    pub server: Server,
}

/// Why nothing could be explained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// The command line is wrong.
    Usage(String),
    /// What was read is.
    Input(String),
}

/// Explains files, and a command with its arguments, as one.
///
/// # Errors
/// The first thing that cannot be read.
pub fn explain(sources: Vec<Source>, command: &[String], mut context: Context<'_>) -> Result<Report, Trouble> {
    let invocation =
        if command.is_empty() { None } else { Some(arguments::recognise(command).map_err(Trouble::Usage)?) };
    let before = invocation.as_ref().map(|found| found.before.clone()).unwrap_or_default();
    let mut proxies = Vec::new();
    let mut inputs = Inputs::default();
    for source in sources {
        match source.server {
            Server::Nginx => {
                proxies.push(Nginx::read(&source.name, &source.text, &context).map_err(Trouble::Input)?);
            }
            Server::Gunicorn => {
                context.read.push(source.name.clone());
                inputs.gunicorn.push((context.evaluate)(&source.name, &source.text).map_err(Trouble::Input)?);
            }
            Server::Uwsgi => {
                uwsgi_ini::refuse_others(&source.name, &source.text).map_err(Trouble::Input)?;
                context.read.push(source.name.clone());
                inputs.ini.read(&source.name, &source.text, &context);
            }
            Server::Granian => {
                let words = words(&source.text, &source.name).map_err(Trouble::Input)?;
                inputs.granian_line(&words, &source.name);
            }
        }
    }
    if let Some(invocation) = invocation {
        inputs.command(invocation, &mut context).map_err(Trouble::Input)?;
    }
    context.behind_proxy = proxies.iter().any(Nginx::is_proxy) && inputs.has_server();
    let mut plan = Plan::behind(before);
    let mut findings = inputs.explain(&mut plan, &context);
    for proxy in proxies {
        findings.extend(proxy.explain(&mut plan));
    }
    plan.below_root_path(&mut findings);
    plan.settle(&mut findings);
    advise(&mut plan, &findings);
    Ok(Report { plan, findings })
}

/// The words of a line.
fn words(line: &str, source: &str) -> Result<Vec<String>, String> {
    shell_words(line).map_err(|why| format!("{source} {why}: write it as a shell would read it"))
}

/// The application servers' part.
#[derive(Default)]
struct Inputs {
    /// By rank, the highest last.
    gunicorn: Vec<Vec<Setting>>,
    gunicorn_target: Option<Setting>,
    ini: Ini,
    uwsgi: Vec<Setting>,
    granian: Vec<Setting>,
    granian_target: Option<Setting>,
    variables: Vec<Setting>,
}

impl Inputs {
    fn has_server(&self) -> bool {
        !self.gunicorn.is_empty() || !self.ini.settings.is_empty() || !self.uwsgi.is_empty() || !self.granian.is_empty()
    }

    fn granian_line(&mut self, words: &[String], source: &str) {
        let words = words.strip_prefix(&["granian".to_owned()]).unwrap_or(words);
        let (settings, rest) = arguments::read(words, granian::TABLE, source);
        self.granian = settings;
        self.granian_target = positional(rest, source);
    }

    fn command(&mut self, invocation: Invocation, context: &mut Context) -> Result<(), String> {
        let Invocation { server, variables, arguments: words, .. } = invocation;
        let mut from_variable = None;
        let mut own = Vec::new();
        for (name, value) in variables {
            let place = Place { source: "environment".into(), line: None };
            if name == "GUNICORN_CMD_ARGS" && server == Server::Gunicorn {
                let (settings, _) = arguments::read(&self::words(&value, &name)?, gunicorn::TABLE, &name);
                from_variable = Some(settings);
                continue;
            }
            if let Some(setting) = environment::own(server, &name, &value) {
                own.push(setting);
                continue;
            }
            self.variables.push(Setting {
                place,
                name: "env".into(),
                values: vec![format!("{name}={value}")],
                computed: false,
                assigned: true,
            });
        }
        match server {
            Server::Gunicorn => {
                let (settings, rest) = arguments::read(&words, gunicorn::TABLE, "gunicorn");
                self.gunicorn_target = positional(rest, "gunicorn");
                let flags: Vec<Setting> = from_variable.iter().flatten().chain(&settings).cloned().collect();
                self.gunicorn_file(&flags, context)?;
                self.gunicorn.insert(0, own);
                self.gunicorn.extend(from_variable);
                self.gunicorn.push(settings);
            }
            Server::Uwsgi => {
                self.uwsgi = own;
                self.uwsgi_line(&words, context);
            }
            Server::Granian => {
                self.granian_line(&words, "granian");
                // A flag outranks its variable.
                own.retain(|setting| self.granian.iter().all(|flag| flag.name != setting.name));
                self.granian.splice(..0, own);
            }
            Server::Nginx => {}
        }
        Ok(())
    }

    /// The file that `-c` names, or ./gunicorn.conf.py, which gunicorn reads by itself.
    fn gunicorn_file(&mut self, settings: &[Setting], context: &mut Context) -> Result<(), String> {
        if !self.gunicorn.is_empty() {
            return Ok(());
        }
        let named = settings
            .iter()
            .rfind(|setting| arguments::find(gunicorn::TABLE, &setting.name).is_some_and(|rule| rule.name == "config"));
        let name = named.map_or("gunicorn.conf.py", Setting::value);
        let path = name.strip_prefix("file:").unwrap_or(name).to_owned();
        if let Ok(text) = (context.open)(Path::new(&path)) {
            self.gunicorn.push((context.evaluate)(&path, &text)?);
            context.read.push(name.to_owned());
        }
        Ok(())
    }

    fn uwsgi_line(&mut self, words: &[String], context: &mut Context) {
        let (settings, rest) = arguments::read(words, uwsgi_table::TABLE, "uwsgi");
        let place = Place { source: "uwsgi".into(), line: None };
        for word in rest {
            let (name, values) = if word.contains(".ini") {
                ("--ini", vec![word])
            } else if word.starts_with(':') || word.parse::<u16>().is_ok() {
                ("--http", vec![word])
            } else {
                ("--module", vec![word])
            };
            self.uwsgi.push(Setting {
                place: place.clone(),
                name: name.into(),
                values,
                computed: false,
                assigned: false,
            });
        }
        self.uwsgi.extend(settings);
        let files: Vec<String> = self
            .uwsgi
            .iter()
            .filter(|setting| setting.name == "--ini")
            .map(|setting| setting.value().to_owned())
            .collect();
        for file in files.into_iter().filter(|file| !context.read.contains(file)) {
            let path = file.split(':').next().unwrap_or_default();
            match (context.open)(Path::new(path)) {
                Ok(text) => self.ini.read(&file, &text, context),
                Err(_) => self.ini.missing.push(file),
            }
        }
    }

    fn explain(mut self, plan: &mut Plan, context: &Context) -> Vec<Finding> {
        let mut findings: Vec<Finding> =
            self.variables.drain(..).map(|setting| environment::variables(setting, plan)).collect();
        if !self.gunicorn.is_empty() {
            findings.extend(gunicorn::explain(self.gunicorn, self.gunicorn_target, plan, context));
        }
        let settings: Vec<Setting> = self.uwsgi.into_iter().chain(std::mem::take(&mut self.ini.settings)).collect();
        findings.extend(uwsgi::explain(settings, &self.ini, plan, context));
        if !self.granian.is_empty() || self.granian_target.is_some() {
            findings.extend(granian::explain(self.granian, self.granian_target, plan, context));
        }
        findings
    }
}

fn positional(words: Vec<String>, source: &str) -> Option<Setting> {
    let place = Place { source: source.to_owned(), line: None };
    let values: Vec<String> = words.into_iter().take(1).collect();
    (!values.is_empty()).then(|| Setting { place, name: String::new(), values, computed: false, assigned: false })
}

/// What is true of the whole.
fn advise(plan: &mut Plan, findings: &[Finding]) {
    if plan.target.is_none() && plan.stops.is_empty() {
        plan.advise(
            "No application is named: monopod finds it where manage.py, app.py or wsgi.py is; else name it as TARGET.",
        );
    }
    if plan.has_front && !plan.choices().iter().any(|choice| choice.key == "forwarded-allow-ips") {
        plan.advise("A proxy in front of nginx ended TLS: let it send X-Forwarded-Proto, and name it by --forwarded-allow-ips (`private` for a cluster's network).");
    }
    let has = |key: &str| findings.iter().any(|finding| finding.becomes.iter().any(|choice| choice.key == key));
    if has("static") || has("static-root") {
        if has("static-root") && plan.value("max-age").is_some() {
            plan.advise("--max-age holds for the files of --static-root too, such as index.html: a rule for it in _headers says otherwise.");
        }
        plan.advise("Compress static files where the image is built: `monopod compress DIR` (docs/static-files.md).");
    }
}
