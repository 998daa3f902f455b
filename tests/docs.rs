//! Pages and tables that are rendered from the code say what the code says.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Compares a page with what it is rendered from; `MONOPOD_BLESS=1 cargo test --test docs` writes it anew.
fn check(page: &str, rendered: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(page);
    if std::env::var_os("MONOPOD_BLESS").is_some() {
        std::fs::write(&path, rendered).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == rendered,
        "{page} is out of date: run MONOPOD_BLESS=1 cargo test --test docs and commit the page"
    );
}

#[test]
fn the_configuration_page_is_what_the_options_say() {
    check("docs/configuration.md", &monopod::config::reference::reference());
}

/// The wheel installs it where `man` looks.
#[test]
fn the_manual_page_is_what_the_command_prints() {
    let args = ["monopod", "man"].map(std::ffi::OsString::from);
    let Ok(monopod::cli::Command::Print(page)) =
        monopod::cli::parse(&args, &|_| None, &|| monopod::cli::host(&|_| None))
    else {
        panic!("monopod man prints");
    };
    check("monopod.data/data/share/man/man1/monopod.1", &page);
}

#[test]
fn the_metrics_page_is_what_the_families_say() {
    check("docs/metrics.md", &monopod::telemetry::reference::reference());
}

/// The formats that the page about logs shows are accepted, and its table names every atom that is.
#[test]
fn the_formats_on_the_logging_page_are_accepted() {
    use monopod::config::access_format::access_format;
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/logging.md")).unwrap();
    let shown: Vec<&str> =
        page.lines().filter_map(|line| line.split_once("--access-logformat '")?.1.strip_suffix('\'')).collect();
    assert_eq!(shown.len(), 2, "{shown:?}");
    for format in shown {
        assert!(access_format(format).is_ok(), "{format}");
    }
    let table = page.split("| atom | value |").nth(1).unwrap().split("\n\n").next().unwrap();
    let names: BTreeSet<&str> = table.lines().filter_map(|row| row.split('|').nth(1)).flat_map(ticked).collect();
    let letters = ('a'..='z').chain('A'..='Z').map(String::from);
    let accepted: BTreeSet<String> = letters.filter(|name| access_format(&format!("%({name})s")).is_ok()).collect();
    let told: BTreeSet<String> = names.iter().filter(|name| name.len() == 1).map(ToString::to_string).collect();
    assert_eq!(told, accepted);
    let variables = table.lines().find(|row| row.starts_with("| `{NAME}e`")).unwrap();
    for variable in ticked(variables).skip(1) {
        let variable = variable.replace('…', "X_ONE");
        assert!(access_format(&format!("%({{{variable}}}e)s")).is_ok(), "{variable}");
    }
}

/// What stands between backticks.
fn ticked(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// What stands before a reason in the sources.
const BEFORE_A_REASON: &[&str] = &["bad_head(", ".fault(", ".faults_of(", ".cut(", ".reason = "];

#[test]
fn every_reason_in_the_sources_has_a_meaning_and_is_in_the_sources() {
    let mut found = BTreeSet::new();
    for file in sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")) {
        let source = std::fs::read_to_string(file).unwrap();
        let code = source.split("#[cfg(test)]").next().unwrap_or_default();
        // `Self::new(Blame::Client, StatusCode::BAD_REQUEST, "bad-host")` is a status, a comma and the word.
        let code = code.replace("StatusCode::", "\0");
        for (at, _) in code.match_indices('"') {
            let word = code[at + 1..].split('"').next().unwrap_or_default();
            let before = &code[..at];
            let status = before.rsplit_once('\0').is_some_and(|(_, name)| {
                name.strip_suffix(", ").is_some_and(|name| name.chars().all(|c| c.is_ascii_uppercase() || c == '_'))
            });
            if status || BEFORE_A_REASON.iter().any(|mark| before.ends_with(mark)) {
                found.insert(word.to_owned());
            }
        }
    }
    let told: BTreeSet<String> =
        monopod::telemetry::reasons::REASONS.iter().map(|(word, _)| (*word).to_owned()).collect();
    assert!(found.len() > 20, "the sources are read: {found:?}");
    let (missing, gone): (Vec<_>, Vec<_>) = (found.difference(&told).collect(), told.difference(&found).collect());
    assert!(missing.is_empty() && gone.is_empty(), "add {missing:?} to telemetry/reasons.rs, remove {gone:?}");
}

fn sources(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect()
}
