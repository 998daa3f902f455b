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

/// Each reason that a log line or a metric may have is in the page that says what to do, and in a table there.
#[test]
fn troubleshooting_knows_every_reason() {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/troubleshooting.md")).unwrap();
    let told: BTreeSet<&str> = page
        .lines()
        .filter(|line| line.starts_with("| `"))
        .filter_map(|row| row.split('|').nth(1))
        .flat_map(ticked)
        .collect();
    let reasons: BTreeSet<&str> = monopod::telemetry::reasons::REASONS.iter().map(|(word, _)| *word).collect();
    let missing: Vec<_> = reasons.difference(&told).collect();
    assert!(missing.is_empty(), "add {missing:?} to docs/troubleshooting.md");
    let words =
        told.iter().filter(|word| word.chars().all(|c| c.is_ascii_lowercase() || c == '-') && word.contains('-'));
    let unknown: Vec<_> = words.filter(|word| !reasons.contains(*word)).collect();
    assert!(unknown.is_empty(), "{unknown:?} in docs/troubleshooting.md are no reasons");
}

/// The options and metrics that pages name exist, and what their commands say is taken.
#[test]
fn what_pages_name_exists() {
    use monopod::config::options;
    let command = options::command();
    let flags: BTreeSet<String> =
        command.get_arguments().filter_map(|arg| arg.get_long()).map(|long| format!("--{long}")).collect();
    let metrics = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/metrics.md")).unwrap();
    for name in ["slow-clients.md", "tls.md", "troubleshooting.md", "known-issues.md"] {
        let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name)).unwrap();
        for word in page.split(['`', ' ', '\n', '|', ',', ';', '.', ')', '(']) {
            if word.starts_with("--")
                && word.len() > 4
                && !["--help", "--check", "---", "--|"].contains(&word)
                && !word.starts_with("---")
            {
                assert!(flags.contains(word), "{name} names {word}");
            }
            if word.starts_with("monopod_") {
                assert!(metrics.contains(word), "{name} names {word}");
            }
        }
        for line in page.lines().filter_map(|line| line.strip_prefix("$ monopod ")) {
            let words: Vec<&str> =
                line.split(' ').filter(|word| !["check", "healthcheck", "serve"].contains(word)).collect();
            assert!(command.clone().try_get_matches_from(words).is_ok(), "{name}: {line}");
        }
    }
}

/// Links between pages, and to headings in them.
#[test]
fn links_lead_somewhere() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let mut pages: Vec<PathBuf> =
        std::fs::read_dir(&docs).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file()).collect();
    pages.push(docs.join("../README.md"));
    for page in pages {
        let text = std::fs::read_to_string(&page).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if link.contains("://") || link.contains(' ') {
                continue;
            }
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { page.clone() } else { page.parent().unwrap().join(file) };
            assert!(target.exists(), "{}: {link}", page.display());
            if !heading.is_empty() && target.extension().is_some_and(|extension| extension == "md") {
                let text = std::fs::read_to_string(&target).unwrap();
                let has = text.lines().filter(|line| line.starts_with('#')).any(|line| anchor(line) == heading);
                assert!(has, "{}: {link} has no such heading", page.display());
            }
        }
    }
}

/// A heading as GitHub names it.
fn anchor(line: &str) -> String {
    let text = line.trim_start_matches('#').trim().to_lowercase();
    text.chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}
