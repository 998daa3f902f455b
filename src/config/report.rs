//! What is told of the settings when the server is not to run: the table of `monopod check`, and a monopod.toml.
//!
//! Called by `server` when the application has been loaded. Pure.

use std::fmt::Write as _;

use super::options;
use super::reading::Origin;
use super::sources::Source;

/// Columns of a terminal that nobody has widened.
const WIDTH: usize = 80;
/// No column is wider than this for the sake of a long value.
const WIDEST: usize = 36;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Report {
    /// `monopod check`: a table for people.
    Table,
    /// `--check-config`: nothing.
    Silence,
    /// `--print-config`: a monopod.toml.
    Toml,
}

/// Every setting with its value and origin, under the headings of `--help`.
#[must_use]
pub fn table(origins: &[Origin]) -> String {
    let names = origins.iter().map(|origin| origin.option.len()).max().unwrap_or(0);
    let short = |origin: &&Origin| origin.value.chars().count() <= WIDEST;
    let values = origins.iter().filter(short).map(|origin| origin.value.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    grouped(origins, &mut text, str::to_owned, |origin| {
        let (option, value, source) = (&origin.option, &origin.value, origin.source.to_string());
        let line = format!("  {option:<names$}  {value:<values$}  {source}");
        // A long value has a line of its own, and its origin the next, below the others'.
        if line.chars().count() <= WIDTH || value.chars().count() <= values {
            line
        } else {
            format!("  {option:<names$}  {value}\n{:indent$}{source}", "", indent = names + values + 6)
        }
    });
    text
}

/// A monopod.toml with what somebody has set; what nobody has set is a comment, as it follows from the machine or the
/// version. Values of variables are not told.
#[must_use]
pub fn toml(origins: &[Origin]) -> String {
    let command = options::command();
    let mut text = String::new();
    grouped(
        origins,
        &mut text,
        |heading| format!("# {heading}"),
        |origin| {
            let arg = options::settable(&command).find(|arg| options::key(arg) == origin.option);
            let is_list = arg.is_some_and(options::is_list);
            let placeholder = arg.and_then(|arg| arg.get_value_names()?.first().cloned());
            let is_bare = |value: &str| match placeholder.as_deref() {
                Some("N") => value.parse::<i64>().is_ok(),
                Some("BOOL") => matches!(value, "true" | "false"),
                _ => false,
            };
            let quoted = |value: &String| match value.trim() {
                bare if is_bare(bare) => bare.to_owned(),
                _ => toml::Value::from(value.as_str()).to_string(),
            };
            let value = match origin.values.as_slice() {
                [] => None,
                [single] if !is_list => Some(quoted(single)),
                several => Some(format!("[{}]", several.iter().map(quoted).collect::<Vec<_>>().join(", "))),
            };
            let is_set = !matches!(origin.source, Source::Default | Source::Container);
            let (option, source) = (&origin.option, &origin.source);
            match value {
                _ if option == "env" && is_set => {
                    format!("# env of {} (from {source}; values are not shown)", origin.value)
                }
                None => format!("# {option} has no value"),
                // The file that the settings are in, and that the file cannot name.
                Some(value) if option == "config" => format!("# {option} = {value}  # {source}"),
                Some(value) if is_set => format!("{option} = {value}  # {source}"),
                Some(value) => format!("# {option} = {value}  # {source}"),
            }
        },
    );
    text
}

/// What whoever keeps the [`toml`] has to know: it would not be the whole of what was set.
#[must_use]
pub fn left_out(origins: &[Origin]) -> Option<String> {
    let env = origins.iter().find(|origin| origin.option == "env" && !origin.values.is_empty())?;
    Some(format!(
        "values of variables are not printed: --env of {} is a comment there; give it again, or keep it in files for --env-dir",
        env.value
    ))
}

/// A label and its text, which goes on below itself where a line is full.
#[must_use]
pub fn paragraph(label: &str, text: &str) -> String {
    let indent = label.chars().count();
    let mut lines = vec![label.to_owned()];
    for word in text.split(' ') {
        let last = lines.last_mut().filter(|line| {
            let used = line.chars().count();
            used == indent || used + 1 + word.chars().count() <= WIDTH
        });
        match last {
            Some(line) if line.chars().count() == indent => line.push_str(word),
            Some(line) => line.extend([" ", word]),
            None => lines.push(format!("{:indent$}{word}", "")),
        }
    }
    lines.join("\n")
}

/// Writes a line for each, and a heading before those that share one.
fn grouped(origins: &[Origin], text: &mut String, title: impl Fn(&str) -> String, line: impl Fn(&Origin) -> String) {
    let command = options::command();
    let headings: Vec<(String, String)> = options::settable(&command)
        .map(|arg| (options::key(arg), arg.get_help_heading().unwrap_or_default().to_owned()))
        .collect();
    let mut last = "";
    for origin in origins {
        let heading = headings.iter().find(|(key, _)| *key == origin.option).map_or("", |(_, heading)| heading);
        if heading != last {
            let blank = if text.is_empty() { "" } else { "\n" };
            let _ = writeln!(text, "{blank}{}", title(heading));
            last = heading;
        }
        let _ = writeln!(text, "{}", line(origin).trim_end());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(option: &str, values: &[&str], source: Source) -> Origin {
        let value = if values.is_empty() { "none".to_owned() } else { values.join(", ") };
        Origin { option: option.into(), value, values: values.iter().map(ToString::to_string).collect(), source }
    }

    fn origins() -> Vec<Origin> {
        let long = "/static=/srv/application/collected/static";
        vec![
            origin("bind", &[":80", "unix:a"], Source::Env("MONOPOD_BIND".into())),
            origin("threads", &["8"], Source::Container),
            origin("config", &["other.toml"], Source::Flag),
            origin("env", &["KEY"], Source::Flag),
            origin("static", &[long, "/media=/srv/media"], Source::File("monopod.toml".into())),
            origin("spa", &["true"], Source::Flag),
            origin("max-age", &["10"], Source::Flag),
            origin("max-headers", &["7"], Source::Flag),
            origin("access-logformat", &[], Source::Default),
        ]
    }

    #[test]
    fn the_table_has_headings_and_fits_eighty_columns() {
        let table = table(&origins());
        for line in ["Serve", "Static files", "Limits", "  threads           8            container"] {
            assert!(table.lines().any(|shown| shown == line), "{line:?} in\n{table}");
        }
        let long: Vec<&str> = table.lines().filter(|line| line.chars().count() > 80).collect();
        assert!(long.is_empty(), "{long:?}");
        assert!(table.contains("/media=/srv/media\n"), "{table}");
    }

    #[test]
    fn the_file_has_what_somebody_said_and_comments_the_rest() {
        let text = toml(&origins());
        let read: toml::Table = text.parse().unwrap();
        let keys: Vec<&str> = read.keys().map(String::as_str).collect();
        assert_eq!(keys, ["bind", "max-age", "max-headers", "spa", "static"]);
        assert_eq!(read["bind"].as_array().unwrap().len(), 2);
        assert_eq!(read["max-headers"].as_integer(), Some(7));
        assert_eq!(read["max-age"].as_str(), Some("10"));
        assert_eq!(read["spa"].as_bool(), Some(true));
        for comment in ["# threads = 8  # container", "# env of KEY (from flag; values are not shown)"] {
            assert!(text.lines().any(|line| line == comment), "{comment} in\n{text}");
        }
    }

    #[test]
    fn what_the_file_leaves_out_is_told() {
        let told = left_out(&origins()).unwrap();
        assert!(told.contains("--env of KEY"), "{told}");
        assert_eq!(left_out(&[origin("env", &[], Source::Default)]), None);
    }

    #[test]
    fn a_paragraph_goes_on_below_itself() {
        let text = format!("{} end", "word ".repeat(20).trim());
        let shown = paragraph("warning: ", &text);
        assert_eq!(shown.lines().count(), 2);
        assert!(shown.lines().all(|line| line.len() <= 80));
        assert!(shown.lines().nth(1).unwrap().starts_with("         word"));
    }
}
