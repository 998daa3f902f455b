//! The report: the command, what is to be looked at, and each setting with what became of it.
//!
//! As text for people, as a monopod.toml whose comments are the report, or as JSON for programs.

use std::fmt::Write as _;

use serde_json::json;

use super::plan::Plan;
use super::setting::{Choice, Finding, Status};
use crate::config::shell_words::quoted;

/// How the report is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    #[default]
    Command,
    Toml,
    Json,
}

/// Longest line of the table, in characters.
const WIDTH: usize = 110;
/// How wide the names of settings are made, so that short reasons stand below one another.
const NAME: usize = 36;

/// What was found out.
#[derive(Debug)]
pub struct Report {
    pub plan: Plan,
    pub findings: Vec<Finding>,
}

impl Report {
    #[must_use]
    pub fn render(&self, format: Format) -> String {
        match format {
            Format::Command => self.text(),
            Format::Toml => self.toml(),
            Format::Json => self.json(),
        }
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for stop in &self.plan.stops {
            let _ = writeln!(text, "monopod cannot take over: {stop}.\n");
        }
        if self.plan.stops.is_empty() {
            let _ = writeln!(text, "{}\n", self.plan.command());
        }
        text.push_str(&self.below());
        text
    }

    fn toml(&self) -> String {
        let mut text = self.plan.toml();
        text.push('\n');
        for stop in &self.plan.stops {
            let _ = writeln!(text, "# monopod cannot take over: {stop}.\n#");
        }
        for line in self.below().lines() {
            let _ = writeln!(text, "{}", format!("# {line}").trim_end());
        }
        text
    }

    /// All but the command.
    fn below(&self) -> String {
        let mut text = String::new();
        if !self.plan.headers.is_empty() {
            text.push_str("_headers, to be saved beside:\n\n");
            for line in self.headers().lines() {
                let _ = writeln!(text, "{}", format!("    {line}").trim_end());
            }
            text.push('\n');
        }
        if !self.plan.advice.is_empty() {
            text.push_str("Before the switch:\n");
            for sentence in &self.plan.advice {
                wrapped(&mut text, sentence, "  - ", "    ");
            }
            text.push('\n');
        }
        let mut source = None;
        for finding in &self.findings {
            let place = &finding.setting.place;
            if source != Some(&place.source) {
                let _ = writeln!(text, "{}{}", if source.is_some() { "\n" } else { "" }, place.source);
                source = Some(&place.source);
            }
            row(&mut text, finding);
        }
        let _ = writeln!(text, "\n{}", self.sum());
        text
    }

    /// The rules of `--headers-file`.
    #[must_use]
    pub fn headers(&self) -> String {
        let mut text = String::new();
        let mut paths: Vec<&String> = Vec::new();
        for (path, ..) in &self.plan.headers {
            if !paths.contains(&path) {
                paths.push(path);
            }
        }
        for path in paths {
            let _ = writeln!(text, "{path}");
            for (_, name, value) in self.plan.headers.iter().filter(|(of, ..)| of == path) {
                let _ = writeln!(text, "  {name}: {value}");
            }
        }
        text
    }

    fn sum(&self) -> String {
        let count = |status| self.findings.iter().filter(|finding| finding.status == status).count();
        let parts: Vec<String> =
            Status::ALL.iter().map(|status| format!("{} {}", count(*status), status.word())).collect();
        let settings = if self.findings.len() == 1 { "setting" } else { "settings" };
        format!("{} {settings}: {}", self.findings.len(), parts.join(", "))
    }

    fn json(&self) -> String {
        let findings: Vec<_> = self
            .findings
            .iter()
            .map(|finding| {
                let setting = &finding.setting;
                json!({
                    "source": setting.place.source,
                    "line": setting.place.line,
                    "setting": setting.name,
                    "value": setting.shown(),
                    "computed": setting.computed,
                    "status": finding.status.word(),
                    "becomes": finding.becomes.iter().map(|choice| json!([choice.key, choice.value])).collect::<Vec<_>>(),
                    "note": finding.note,
                })
            })
            .collect();
        let options: Vec<_> = self.plan.choices().iter().map(|choice| json!([choice.key, choice.value])).collect();
        let counts: serde_json::Map<_, _> = Status::ALL
            .iter()
            .map(|status| {
                let count = self.findings.iter().filter(|finding| finding.status == *status).count();
                (status.word().replace(' ', "_"), json!(count))
            })
            .collect();
        let report = json!({
            "command": self.plan.words(),
            "target": self.plan.target,
            "options": options,
            "headers_file": self.headers(),
            "stops": self.plan.stops,
            "advice": self.plan.advice,
            "findings": findings,
            "counts": counts,
        });
        format!("{report:#}\n")
    }
}

/// One line of the table, or several where it is long.
fn row(text: &mut String, finding: &Finding) {
    let setting = &finding.setting;
    let line = setting.place.line.map(|line| line.to_string()).unwrap_or_default();
    let values = setting.shown().replace('\n', "\\n");
    let joint = match (setting.assigned, values.is_empty()) {
        (_, true) => "",
        (false, _) => " ",
        (true, _) => " = ",
    };
    let mut name = format!("{}{joint}{}", setting.name, shortened(&values));
    if setting.computed {
        name.push_str(" (computed)");
    }
    let start = format!("{line:>5}  {:<10}  ", finding.status.word());
    let options: Vec<String> = finding.becomes.iter().map(shown).collect();
    let what = match (options.is_empty(), finding.note.is_empty()) {
        (true, _) => finding.note.clone(),
        (false, true) => options.join(" "),
        (false, false) => format!("{}: {}", options.join(" "), finding.note),
    };
    if what.is_empty() {
        let _ = writeln!(text, "{start}{name}");
        return;
    }
    let name = format!("{name:<NAME$}");
    // Beside the name where it fits, else below it.
    if start.chars().count() + name.chars().count() + 1 + what.chars().count() <= WIDTH {
        let _ = writeln!(text, "{start}{name} {what}");
        return;
    }
    let _ = writeln!(text, "{start}{}", name.trim_end());
    let indent = " ".repeat(start.chars().count() + 4);
    wrapped(text, &what, &indent, &indent);
}

/// An option as it is typed.
fn shown(choice: &Choice) -> String {
    match (choice.key.as_str(), choice.value.as_str()) {
        ("target", value) => format!("TARGET {}", quoted(value)),
        (key, "true") => format!("--{key}"),
        (key, "false") => format!("--no-{key}"),
        (key, value) => format!("--{key} {}", quoted(value)),
    }
}

fn shortened(value: &str) -> String {
    match value.char_indices().nth(80) {
        Some((at, _)) => format!("{}…", &value[..at]),
        None => value.to_owned(),
    }
}

/// Writes a sentence in lines of at most [`WIDTH`].
fn wrapped(text: &mut String, sentence: &str, first: &str, indent: &str) {
    let mut line = first.to_owned();
    let mut is_empty = true;
    for word in sentence.split(' ') {
        if !is_empty && line.chars().count() + 1 + word.chars().count() > WIDTH {
            let _ = writeln!(text, "{}", line.trim_end());
            indent.clone_into(&mut line);
            is_empty = true;
        }
        if !is_empty {
            line.push(' ');
        }
        line.push_str(word);
        is_empty = false;
    }
    let _ = writeln!(text, "{}", line.trim_end());
}
