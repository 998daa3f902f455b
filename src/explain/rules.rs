//! The form of the tables: a row for each setting of another server, and how most rows are followed.
//!
//! A table is also what docs/migrating.md shows, so each row's note is written for both. Rows that need more than a row
//! can say ([`Becomes::Own`]) are followed by their server's own file.

use super::plan::Plan;
use super::setting::{Finding, Setting, Status};

/// Whether a flag takes a value on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    Nothing,
    Value,
    /// A word if one follows that is no flag.
    Maybe,
}

/// How a value is written in monopod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// As it is.
    Same,
    /// Seconds get their unit.
    Seconds,
    Millis,
    /// nginx's times: `1h30m`, `5d`, `100`.
    NginxTime,
    /// A switch that is on, or one that is off when it is set there.
    On,
    Off,
}

/// What becomes of a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Becomes {
    /// An option of this key says the same.
    Option(&'static str, Unit),
    /// Nothing, for the reason of the note.
    Nothing(Status),
    /// It depends: see the server's file. For the table, the key it mostly becomes, or none.
    Own(Status, &'static str),
}

/// A row.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// As the server's documentation calls it.
    pub name: &'static str,
    /// Other spellings, of the command line too.
    pub flags: &'static [&'static str],
    pub takes: Takes,
    pub becomes: Becomes,
    pub note: &'static str,
    /// It is about the connection from a proxy in front; without that proxy there is none.
    pub hop: bool,
}

impl Rule {
    const fn new(
        name: &'static str,
        flags: &'static [&'static str],
        takes: Takes,
        becomes: Becomes,
        note: &'static str,
    ) -> Self {
        Self { name, flags, takes, becomes, note, hop: false }
    }

    /// About the connection from the proxy.
    #[must_use]
    pub const fn hop(self) -> Self {
        Self { hop: true, ..self }
    }

    /// A switch, without a value.
    #[must_use]
    pub const fn bare(self) -> Self {
        Self { takes: Takes::Nothing, ..self }
    }

    /// With a value or without.
    #[must_use]
    pub const fn maybe(self) -> Self {
        Self { takes: Takes::Maybe, ..self }
    }

    /// Whether it is the row of `name`, in any spelling.
    #[must_use]
    pub fn is_named(&self, name: &str) -> bool {
        self.name == name || self.flags.iter().any(|flag| flag.trim_start_matches('-') == name)
    }
}

type Flags = &'static [&'static str];

#[must_use]
pub const fn option(name: &'static str, flags: Flags, key: &'static str, unit: Unit, note: &'static str) -> Rule {
    Rule::new(name, flags, Takes::Value, Becomes::Option(key, unit), note)
}

#[must_use]
pub const fn own(name: &'static str, flags: Flags, status: Status, key: &'static str, note: &'static str) -> Rule {
    Rule::new(name, flags, Takes::Value, Becomes::Own(status, key), note)
}

#[must_use]
pub const fn not_needed(name: &'static str, flags: Flags, takes: Takes, note: &'static str) -> Rule {
    Rule::new(name, flags, takes, Becomes::Nothing(Status::NotNeeded), note)
}

#[must_use]
pub const fn dropped(name: &'static str, flags: Flags, takes: Takes, note: &'static str) -> Rule {
    Rule::new(name, flags, takes, Becomes::Nothing(Status::Dropped), note)
}

#[must_use]
pub const fn not_yet(name: &'static str, flags: Flags, takes: Takes, note: &'static str) -> Rule {
    Rule::new(name, flags, takes, Becomes::Nothing(Status::NotYet), note)
}

#[must_use]
pub const fn switch(name: &'static str, flags: Flags, key: &'static str, note: &'static str) -> Rule {
    Rule::new(name, flags, Takes::Nothing, Becomes::Option(key, Unit::On), note)
}

/// What a row for the proxy's connection says when the proxy is explained too.
pub const NO_HOP: &str = "about the connection between the proxy and the application server, which are one process now";

/// Follows a row; gives the setting back where its server must decide.
///
/// # Errors
/// The setting, of a row that is [`Becomes::Own`].
pub fn follow(rule: &Rule, setting: Setting, plan: &mut Plan, behind_proxy: bool) -> Result<Finding, Setting> {
    if rule.hop && behind_proxy {
        return Ok(Finding::not_needed(setting, NO_HOP));
    }
    if rule.takes == Takes::Nothing && setting.is_off() {
        return Ok(Finding::not_needed(setting, "it is off"));
    }
    // What is off is missed by nobody.
    let is_off = setting.values.len() == 1 && setting.is_off();
    match rule.becomes {
        Becomes::Nothing(Status::NotYet) if is_off => Ok(Finding::not_needed(setting, "it is off")),
        Becomes::Nothing(Status::Dropped) if is_off && setting.value() == "off" => {
            Ok(Finding::not_needed(setting, "it is off"))
        }
        Becomes::Own(..) => Err(setting),
        Becomes::Nothing(status) => Ok(Finding::new(setting, status, rule.note)),
        Becomes::Option(key, unit) => Ok(keep(setting, key, unit, rule.note, plan)),
    }
}

/// Keeps the setting as `key`, or tells why monopod does not take its value.
pub fn keep(setting: Setting, key: &str, unit: Unit, note: &str, plan: &mut Plan) -> Finding {
    let mut becomes = Vec::new();
    let is_switch = matches!(unit, Unit::On | Unit::Off);
    let values = if is_switch { vec![String::new()] } else { setting.values.clone() };
    for value in values {
        // Only a command line is read by a shell.
        if setting.place.line.is_none() && has_variable(&value) {
            if key == "bind" && setting.values.len() == 1 && is_of_platform(&value) {
                return Finding::not_needed(setting, "where PORT is set it is listened on, at 0.0.0.0");
            }
            let name = key.replace('-', "_").to_ascii_uppercase();
            let sentence = format!("it has a variable: write --{key} with what it stands for, or set MONOPOD_{name}");
            return Finding::unknown(setting, sentence);
        }
        let value = match unit {
            Unit::On => Some("true".to_owned()),
            Unit::Off => Some("false".to_owned()),
            Unit::Same => Some(value),
            Unit::Seconds => Some(if is_number(&value) { format!("{value}s") } else { value }),
            Unit::Millis => is_number(&value).then(|| format!("{value}ms")),
            Unit::NginxTime => nginx_time(&value),
        };
        let Some(value) = value else {
            return Finding::unknown(setting, format!("its value cannot be read; see --{key}"));
        };
        match plan.choose(key, &value) {
            Ok(choice) => becomes.push(choice),
            Err(why) => return Finding::dropped(setting, why.trim_end_matches('.').to_owned()),
        }
    }
    Finding { setting, status: Status::Kept, becomes, note: note.to_owned() }
}

/// Whether the address is all there is, with the port that a platform names in `PORT`.
fn is_of_platform(address: &str) -> bool {
    let host = ["$PORT", "${PORT}"].iter().find_map(|port| address.strip_suffix(port));
    matches!(host, Some("" | ":" | "0.0.0.0:"))
}

/// Whether a shell would put something in.
#[must_use]
pub fn has_variable(text: &str) -> bool {
    let begins = |c: char| c.is_ascii_alphabetic() || matches!(c, '_' | '{' | '(');
    text.contains('`') || text.split('$').skip(1).any(|behind| behind.starts_with(begins))
}

/// What a shell makes of `${NAME:-DEFAULT}` where NAME is not set; but not of `PORT`, which monopod knows, nor where the default
/// has a variable itself.
#[must_use]
pub fn by_defaults(text: &str) -> String {
    let (mut out, mut rest) = (String::new(), text);
    while let Some((before, behind)) = rest.split_once("${") {
        out.push_str(before);
        let default = behind.split_once('}').and_then(|(inside, behind)| Some((inside.split_once('-')?, behind)));
        rest = match default {
            Some((("PORT:" | "PORT", _), behind)) => {
                out.push_str("${PORT}");
                behind
            }
            Some(((name, default), behind))
                if is_name(name.strip_suffix(':').unwrap_or(name)) && !default.contains(['$', '`']) =>
            {
                out.push_str(default);
                behind
            }
            _ => {
                out.push_str("${");
                behind
            }
        };
    }
    out.push_str(rest);
    out
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

fn is_number(value: &str) -> bool {
    !value.is_empty() && value.parse::<f64>().is_ok_and(f64::is_finite)
}

/// nginx's `1h 30m`, `1d`, `500ms` or seconds as a number with one unit; `None` where it is none.
#[must_use]
pub fn nginx_time(text: &str) -> Option<String> {
    let mut millis: u64 = 0;
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let number: u64 = rest.get(..digits)?.parse().ok()?;
        rest = rest.get(digits..)?;
        let unit = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let factor = match rest.get(..unit)?.trim() {
            "ms" => 1,
            "" | "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            "w" => 7 * 86_400_000,
            "M" => 30 * 86_400_000,
            "y" => 365 * 86_400_000,
            _ => return None,
        };
        rest = rest.get(unit..)?;
        millis = millis.checked_add(number.checked_mul(factor)?)?;
    }
    Some(match millis {
        0 => "0".to_owned(),
        _ if millis.is_multiple_of(86_400_000) => format!("{}d", millis / 86_400_000),
        _ if millis.is_multiple_of(3_600_000) => format!("{}h", millis / 3_600_000),
        _ if millis.is_multiple_of(1000) => format!("{}s", millis / 1000),
        _ => format!("{millis}ms"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_nginx() {
        for (text, expected) in [
            ("30", Some("30s")),
            ("1h30m", Some("5400s")),
            ("1h 30m", Some("5400s")),
            ("500ms", Some("500ms")),
            ("2w", Some("14d")),
            ("1y", Some("365d")),
            ("1M", Some("30d")),
            ("0", Some("0")),
            ("max", None),
            ("-1", None),
            ("", None),
            ("99999999999999999999s", None),
            ("9999999999999999y", None),
        ] {
            assert_eq!(nginx_time(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn variables_of_a_shell() {
        for (text, expected, is_open) in [
            ("${TIMEOUT:-60}", "60", false),
            ("${A-x}/${B:-y}", "x/y", false),
            ("$TIMEOUT", "$TIMEOUT", true),
            ("${TIMEOUT}s", "${TIMEOUT}s", true),
            ("${APP_DIR:-$HOME/app}", "${APP_DIR:-$HOME/app}", true),
            ("$(nproc)", "$(nproc)", true),
            ("`nproc`", "`nproc`", true),
            ("0.0.0.0:${PORT:-8000}", "0.0.0.0:${PORT}", true),
            ("5$ a day", "5$ a day", false),
        ] {
            assert_eq!((by_defaults(text).as_str(), has_variable(&by_defaults(text))), (expected, is_open), "{text}");
        }
        for (address, expected) in [
            ("0.0.0.0:$PORT", true),
            (":${PORT}", true),
            ("127.0.0.1:$PORT", false),
            ("[::]:$PORT", false),
            ("0.0.0.0:$PORTS", false),
        ] {
            assert_eq!(is_of_platform(address), expected, "{address}");
        }
    }

    #[test]
    fn what_monopod_does_not_take_is_told_and_not_chosen() {
        let mut plan = Plan::default();
        let rule = option("threads", &[], "threads", Unit::Same, "");
        let setting = Setting { name: "threads".into(), values: vec!["1000".into()], ..Setting::default() };
        let finding = follow(&rule, setting, &mut plan, false).unwrap();
        assert_eq!(finding.note, "--threads wants a whole number from 1 to 512, not `1000`");
        assert_eq!((finding.status, plan.choices().len()), (Status::Dropped, 0));
    }
}
