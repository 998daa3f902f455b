//! The monopod command in the making: which options were chosen, and how they are written.
//!
//! Nothing gets in that monopod's own parsers would refuse, so whatever is printed is accepted. Filled by the tables,
//! rendered by `report`.

use std::ffi::OsString;
use std::fmt::Write as _;

use super::setting::{Choice, Finding, Status};
use crate::config::options;
use crate::config::shell_words::quoted;

/// Options where the stricter of two says more than the later.
const LEAST: &[&str] = &["timeout", "max-request-line", MAX_AGE];
/// 0 is none here, not without end.
const MAX_AGE: &str = "max-age";

/// The options chosen so far.
#[derive(Debug, Default, Clone)]
pub struct Plan {
    /// The application.
    pub target: Option<String>,
    /// Words of an agent's that start the server: they start monopod as well.
    pub before: Vec<String>,
    chosen: Vec<Choice>,
    /// Rules for `--headers-file`: path, header, value.
    pub headers: Vec<(String, String, String)>,
    /// A proxy in front of the proxy ended TLS.
    pub has_front: bool,
    /// Why monopod cannot stand in here at all.
    pub stops: Vec<String>,
    /// What is to be looked at before the switch.
    pub advice: Vec<String>,
}

impl Plan {
    /// A command that these words start.
    #[must_use]
    pub fn behind(before: Vec<String>) -> Self {
        Self { before, ..Self::default() }
    }

    /// Chooses `key`; a list grows, of single values the last counts (of times, the shortest).
    ///
    /// # Errors
    /// What monopod's own parser says, as the second half of a sentence about `--key`.
    pub fn choose(&mut self, key: &str, value: &str) -> Result<Choice, String> {
        let command = options::command();
        let arg = options::settable(&command).find(|arg| options::key(arg) == key);
        let arg = arg.ok_or_else(|| format!("--{key} is not an option of monopod."))?;
        options::check(arg, &OsString::from(value), &format!("--{key}"))?;
        let choice = Choice { key: key.to_owned(), value: value.to_owned() };
        if let Some(known) = self.chosen.iter_mut().find(|known| same_slot(known, &choice)) {
            value.clone_into(&mut known.value);
        } else if options::is_list(arg) {
            if !self.chosen.contains(&choice) {
                self.chosen.push(choice.clone());
            }
        } else if let Some(known) = self.chosen.iter_mut().find(|known| known.key == key) {
            if !LEAST.contains(&key) || is_less(key, value, &known.value) {
                value.clone_into(&mut known.value);
            }
        } else {
            self.chosen.push(choice.clone());
        }
        Ok(choice)
    }

    /// Takes a key out again.
    pub fn forget(&mut self, key: &str) {
        self.chosen.retain(|choice| choice.key != key);
    }

    /// The value of a single option.
    #[must_use]
    pub fn value(&self, key: &str) -> Option<&str> {
        self.chosen.iter().find(|choice| choice.key == key).map(|choice| choice.value.as_str())
    }

    /// Says something to look at, once.
    pub fn advise(&mut self, sentence: impl Into<String>) {
        let sentence = sentence.into();
        if !self.advice.contains(&sentence) {
            self.advice.push(sentence);
        }
    }

    /// Findings whose value gave way to another's are told as such.
    pub fn settle(&self, findings: &mut [Finding]) {
        let holders: Vec<(Choice, String)> = findings
            .iter()
            .flat_map(|finding| {
                let place = &finding.setting.place;
                let at = place.line.map_or_else(|| place.source.clone(), |line| format!("{}:{line}", place.source));
                finding.becomes.iter().map(move |choice| (choice.clone(), at.clone()))
            })
            .collect();
        for finding in findings {
            let lost: Vec<Choice> =
                finding.becomes.iter().filter(|choice| !self.chosen.contains(choice)).cloned().collect();
            if lost.is_empty() || lost.len() < finding.becomes.len() {
                continue;
            }
            let key = &lost[0].key;
            let same = |choice: &&Choice| choice.key == *key && (!is_by_name(key) || same_slot(choice, &lost[0]));
            let Some(kept) = self.chosen.iter().find(same) else { continue };
            let whose = holders.iter().rev().find(|(choice, _)| choice == kept).map_or("", |(_, at)| at.as_str());
            let whose = if whose.is_empty() { String::new() } else { format!(" of {whose}") };
            finding.note = format!("--{key} is {}, that{whose} counts", kept.value);
            if finding.status == Status::Kept {
                finding.status = Status::Dropped;
            }
            finding.becomes.clear();
        }
    }

    /// Sizes by prefix are below --root-path, which other servers' paths begin with.
    pub fn below_root_path(&mut self, findings: &mut [Finding]) {
        let Some(root) = self.value("root-path").map(|root| root.trim_end_matches('/').to_owned()) else { return };
        let short = |choice: &Choice| {
            let (prefix, size) = choice.value.split_once('=').filter(|_| choice.key == "max-body-size")?;
            let below = prefix.strip_prefix(root.as_str())?;
            match below {
                "" => Some(size.to_owned()),
                _ if below.starts_with('/') => Some(format!("{below}={size}")),
                _ => None,
            }
        };
        let sizes: Vec<String> = self.chosen.iter().filter_map(short).collect();
        self.chosen.retain(|choice| short(choice).is_none());
        for size in sizes {
            let _ = self.choose("max-body-size", &size);
        }
        for choice in findings.iter_mut().flat_map(|finding| &mut finding.becomes) {
            choice.value = short(choice).unwrap_or_else(|| choice.value.clone());
        }
    }

    /// The options in the order of `--help`.
    #[must_use]
    pub fn choices(&self) -> Vec<&Choice> {
        let order: Vec<String> = options::settable(&options::command()).map(options::key).collect();
        let mut choices: Vec<&Choice> = self.chosen.iter().collect();
        choices.sort_by_key(|choice| order.iter().position(|key| *key == choice.key));
        choices
    }

    /// The words of the command.
    #[must_use]
    pub fn words(&self) -> Vec<String> {
        let mut words = self.before.clone();
        words.push("monopod".to_owned());
        for line in self.lines() {
            words.extend(line);
        }
        words
    }

    /// The command, for a shell; an option a line where they are many.
    #[must_use]
    pub fn command(&self) -> String {
        let lines: Vec<String> = self
            .lines()
            .iter()
            .map(|words| words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" "))
            .collect();
        let mut monopod: Vec<String> = self.before.iter().map(|word| quoted(word)).collect();
        monopod.push("monopod".to_owned());
        let monopod = monopod.join(" ");
        let whole = format!("{monopod} {}", lines.join(" "));
        if whole.len() <= 80 {
            return whole.trim_end().to_owned();
        }
        match &self.target {
            Some(_) => format!("{monopod} {}", lines.join(" \\\n    ")),
            None => format!("{monopod} \\\n    {}", lines.join(" \\\n    ")),
        }
    }

    fn lines(&self) -> Vec<Vec<String>> {
        // A plain word might be a subcommand.
        let target = self.target.as_ref().map(|target| {
            let is_plain = !target.contains(['.', ':', '/']);
            is_plain.then(|| "serve".to_owned()).into_iter().chain([target.clone()]).collect()
        });
        let command = options::command();
        let is_switch = |key: &str| {
            options::settable(&command)
                .find(|arg| options::key(arg) == key)
                .is_some_and(clap::Arg::is_require_equals_set)
        };
        let flags = self.choices().into_iter().map(|Choice { key, value }| {
            if !is_switch(key) {
                // A value that begins with a dash would be taken for an option.
                return if value.starts_with('-') {
                    vec![format!("--{key}={value}")]
                } else {
                    vec![format!("--{key}"), value.clone()]
                };
            }
            match value.as_str() {
                "true" => vec![format!("--{key}")],
                _ => vec![format!("--no-{key}")],
            }
        });
        target.into_iter().chain(flags).collect()
    }

    /// The same as a configuration file.
    #[must_use]
    pub fn toml(&self) -> String {
        let command = options::command();
        let mut text = String::new();
        if let Some(target) = &self.target {
            let _ = writeln!(text, "target = {}", toml::Value::from(target.as_str()));
        }
        let choices = self.choices();
        let mut done = "";
        for choice in &choices {
            if choice.key == done {
                continue;
            }
            done = &choice.key;
            let values: Vec<&str> =
                choices.iter().filter(|other| other.key == choice.key).map(|other| other.value.as_str()).collect();
            let is_list =
                options::settable(&command).any(|arg| options::key(arg) == choice.key && options::is_list(arg));
            let value = match values.as_slice() {
                [one] if !is_list => value(one),
                several => toml::Value::from(several.to_vec()),
            };
            let _ = writeln!(text, "{} = {value}", choice.key);
        }
        text
    }
}

/// Whether several values of the option are told apart by what stands before `=`.
fn is_by_name(key: &str) -> bool {
    matches!(key, "max-body-size" | "env")
}

/// Whether one takes the other's place: the size of the same paths, the value of the same variable.
fn same_slot(left: &Choice, right: &Choice) -> bool {
    let name = |choice: &Choice| choice.value.split_once('=').map(|(name, _)| name.to_owned()).unwrap_or_default();
    left.key == right.key && is_by_name(&left.key) && name(left) == name(right)
}

/// Numbers and switches without quotes.
fn value(text: &str) -> toml::Value {
    if let Ok(truth) = text.parse::<bool>() {
        return toml::Value::from(truth);
    }
    match text.parse::<i64>() {
        Ok(number) if number.to_string() == text => toml::Value::from(number),
        _ => toml::Value::from(text),
    }
}

/// Whether a time or size is shorter; none at all (0) is longest, but for caches.
fn is_less(key: &str, left: &str, right: &str) -> bool {
    let amount = |text: &str| {
        let time = crate::config::values::duration(text).ok().map(|time| time.as_millis());
        let amount = time.or_else(|| crate::config::values::size(text).ok().map(u128::from)).unwrap_or(0);
        if amount == 0 && key != MAX_AGE { u128::MAX } else { amount }
    };
    amount(left) < amount(right)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_grow_and_of_single_values_the_last_or_shortest_counts() {
        let mut plan = Plan { target: Some("app:app".into()), ..Plan::default() };
        for (key, value) in [
            ("timeout", "30"),
            ("timeout", "0"),
            ("timeout", "60"),
            ("static", "/a=b"),
            ("static", "/c=d e"),
            ("static", "/a=b"),
            ("max-age", "7d"),
            ("max-age", "365d"),
            ("max-age", "0"),
            ("max-age", "1h"),
            ("threads", "4"),
            ("threads", "8"),
            ("access-log", "false"),
            ("max-body-size", "1m"),
            ("max-body-size", "/up=2m"),
            ("max-body-size", "3m"),
        ] {
            plan.choose(key, value).unwrap();
        }
        assert_eq!(
            plan.command(),
            "monopod app:app --threads 8 --static /a=b --static '/c=d e' --max-age 0 --max-body-size 3m --max-body-size /up=2m --timeout 30 --no-access-log"
                .replace(" --", " \\\n    --")
        );
        assert_eq!(
            plan.toml(),
            "target = \"app:app\"\nthreads = 8\nstatic = [\"/a=b\", \"/c=d e\"]\nmax-age = 0\nmax-body-size = [\"3m\", \"/up=2m\"]\ntimeout = 30\naccess-log = false\n"
        );
        assert_eq!(plan.choose("threads", "0").unwrap_err(), "--threads wants a whole number from 1 to 512, not `0`.");
        assert_eq!(plan.choose("nonsense", "0").unwrap_err(), "--nonsense is not an option of monopod.");
    }
}
