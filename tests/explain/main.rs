//! Promise: each configuration in `cases` is told as its `expected.txt` says, each of its settings once, nothing secret in
//! it, and what is printed is what monopod takes. `MONOPOD_BLESS=1 cargo test --test explain` writes the files anew.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
mod pages;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use monopod::config::options;
use monopod::config::shell_words::shell_words;

fn cases() -> Vec<PathBuf> {
    let mut cases: Vec<PathBuf> =
        std::fs::read_dir(here("cases")).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    assert!(cases.len() > 15, "{cases:?}");
    cases
}

fn here(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/explain").join(name)
}

/// The arguments of a case: those in `args`, or its only file.
fn arguments(case: &Path) -> Vec<String> {
    if let Ok(line) = std::fs::read_to_string(case.join("args")) {
        return shell_words(&line).unwrap();
    }
    let mut names = std::fs::read_dir(case).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    vec![names.find(|name| name != "expected.txt").unwrap()]
}

/// The command, with the Python that it was built for, and without the variables that cargo leaves from the build.
fn monopod(directory: &Path) -> Command {
    static BIN: OnceLock<tempfile::TempDir> = OnceLock::new();
    let mut command = Command::new(env!("CARGO_BIN_EXE_monopod"));
    command.current_dir(directory).env_remove("VIRTUAL_ENV");
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("MONOPOD_")) {
        command.env_remove(name);
    }
    if let Some(python) = std::env::var_os("PYO3_PYTHON") {
        let bin = BIN.get_or_init(|| {
            let bin = tempfile::tempdir().unwrap();
            std::os::unix::fs::symlink(&python, bin.path().join("python3")).unwrap();
            bin
        });
        let mut path = bin.path().as_os_str().to_owned();
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap_or_default());
        command.env("PATH", path);
    }
    command
}

fn explain(directory: &Path, arguments: &[String]) -> Output {
    monopod(directory)
        .arg("explain")
        .args(arguments)
        .env("PYTHONPATH", here("site"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .unwrap()
}

fn text(case: &Path, format: &str) -> String {
    let mut words = vec!["--format".to_owned(), format.to_owned()];
    words.extend(arguments(case));
    String::from_utf8(explain(case, &words).stdout).unwrap()
}

fn json(case: &Path) -> serde_json::Value {
    serde_json::from_str(&text(case, "json")).unwrap_or_else(|error| panic!("{}: {error}", case.display()))
}

#[test]
fn each_configuration_is_told_as_expected() {
    let mut wrong = Vec::new();
    for case in cases() {
        let told = text(&case, "command");
        let file = case.join("expected.txt");
        if std::env::var_os("MONOPOD_BLESS").is_some() {
            std::fs::write(&file, &told).unwrap();
        }
        if std::fs::read_to_string(&file).unwrap_or_default() != told {
            wrong.push(format!("--- {}\n{told}", case.display()));
        }
    }
    assert!(
        wrong.is_empty(),
        "{}\nlook at the change, then MONOPOD_BLESS=1 cargo test --test explain",
        wrong.join("\n")
    );
}

/// By the options' own parser; directories need not be there.
#[test]
fn what_is_printed_is_what_monopod_takes() {
    for case in cases() {
        let report = json(&case);
        let command: Vec<String> = serde_json::from_value(report["command"].clone()).unwrap();
        let own = command.iter().position(|word| word == "monopod").unwrap();
        let words = command[own + 1..].iter().filter(|word| *word != "serve");
        let parsed = options::command().try_get_matches_from(words);
        assert!(parsed.is_ok(), "{}: {:?}\n{}", case.display(), command, parsed.unwrap_err());
        if !report["stops"].as_array().unwrap().is_empty() {
            continue;
        }
        // What a shell makes of the printed lines is the same.
        let printed = text(&case, "command");
        let lines = printed.split("\n\n").next().unwrap().replace("\\\n", " ");
        assert_eq!(shell_words(&lines).unwrap(), command, "{}", case.display());
    }
}

/// As a whole, with the file in place, and with the same settings as by the command.
#[test]
fn the_file_says_what_the_command_says() {
    use monopod::cli::{self, Command};
    for case in cases() {
        let directory = tempfile::tempdir().unwrap();
        let resolve = |words: Vec<OsString>| {
            let host = || monopod::config::Host { cwd: directory.path().into(), ..cli::host(&|_| None) };
            match cli::parse(&words, &|_| None, &host).unwrap() {
                Command::Serve(resolved) => resolved.settings,
                other => panic!("{other:?}"),
            }
        };
        // The directories of the configurations are not here.
        let exists = |word: &str| word != "/app" && !word.starts_with("/srv/mysite");
        let report = json(&case);
        let command: Vec<String> = serde_json::from_value(report["command"].clone()).unwrap();
        let chdir = command.iter().position(|word| word == "--chdir");
        let mut words = command.clone();
        if let Some(at) = chdir.filter(|at| !exists(&command[at + 1])) {
            words.drain(at..at + 2);
        }
        // What is in front of it starts it.
        let words = words.split_off(words.iter().position(|word| word == "monopod").unwrap());
        let file = text(&case, "toml");
        let lines: Vec<&str> = file.lines().filter(|line| !line.starts_with("chdir") || chdir.is_none()).collect();
        let path = directory.path().join("other.toml");
        std::fs::write(&path, lines.join("\n")).unwrap();
        let by_file = resolve(vec!["monopod".into(), "--config".into(), path.into()]);
        let by_command = resolve(words.into_iter().map(OsString::from).collect());
        assert_eq!(by_file.serve.bind, by_command.serve.bind, "{}", case.display());
        assert_eq!(by_file.static_files, by_command.static_files, "{}", case.display());
        assert_eq!(by_file.limits, by_command.limits, "{}", case.display());
        assert_eq!(by_file.logs, by_command.logs, "{}", case.display());
        assert_eq!(by_file.edge, by_command.edge, "{}", case.display());
    }
}

#[test]
fn nothing_is_lost_and_nothing_is_told_twice() {
    for case in cases() {
        let report = json(&case);
        let findings = report["findings"].as_array().unwrap();
        let mut seen = BTreeSet::new();
        for finding in findings {
            let place =
                format!("{} {} {} {}", finding["source"], finding["line"], finding["setting"], finding["value"]);
            assert!(finding["line"].is_null() || seen.insert(place.clone()), "{}: {place}", case.display());
            let said = finding["note"] != "" || !finding["becomes"].as_array().unwrap().is_empty();
            assert!(said, "{}: nothing is said of {place}", case.display());
        }
        let counted: u64 = report["counts"].as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum();
        assert_eq!(counted, findings.len() as u64);
        // Each line of a file that sets something is some finding's.
        for name in arguments(&case).iter().filter(|name| case.join(name).is_file()) {
            let text = std::fs::read_to_string(case.join(name)).unwrap();
            let told: BTreeSet<u64> = findings
                .iter()
                .filter(|finding| finding["source"] == name.as_str())
                .filter_map(|finding| finding["line"].as_u64())
                .collect();
            for (number, line) in text.lines().enumerate() {
                let line = line.trim();
                let sets = match name.rsplit('.').next().unwrap() {
                    "ini" => line.contains('=') && !line.starts_with([';', '#']),
                    "py" => {
                        line.starts_with(char::is_alphabetic)
                            && line.contains(" = ")
                            && !text.contains(&format!("    {line}"))
                    }
                    _ => line.ends_with(';') && !line.starts_with('\'') && !line.starts_with(['#', '\'']),
                };
                let is_entry = name == "nginx.conf"
                    && (line.starts_with("default ") || line.starts_with("'' ") || line.starts_with("text/"));
                let is_elsewhere = line.starts_with("http = :1") && line.len() == 9;
                let tells = told.contains(&(number as u64 + 1));
                assert!(!sets || is_entry || is_elsewhere || tells, "{} {name}:{}: {line}", case.display(), number + 1);
            }
        }
    }
}

/// By the server itself, which refuses a file with a wrong line in it.
#[test]
fn the_rules_for_headers_are_ones() {
    let mut seen = 0;
    for case in cases() {
        let rules = json(&case)["headers_file"].as_str().unwrap().to_owned();
        if rules.is_empty() {
            continue;
        }
        seen += 1;
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("_headers"), &rules).unwrap();
        std::fs::write(directory.path().join("app.py"), "def app(environ, start_response):\n    return []\n").unwrap();
        let checked = monopod(directory.path()).args(["check", "--headers-file", "_headers"]).output().unwrap();
        let complaint = String::from_utf8_lossy(&checked.stderr);
        assert!(checked.status.success(), "{}: {complaint}\n{rules}", case.display());
    }
    assert!(seen > 1);
}

/// A file that includes itself, many times over.
#[test]
fn includes_come_to_an_end() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, line: &str| std::fs::write(directory.path().join(name), line.repeat(20)).unwrap();
    write("nginx.conf", "include nginx.conf;\n");
    write("uwsgi.ini", "[uwsgi]\ninclude = uwsgi.ini\n");
    for name in ["nginx.conf", "uwsgi.ini"] {
        let words = ["--from".to_owned(), name.split('.').next().unwrap().to_owned(), name.to_owned()];
        let output = explain(directory.path(), &words);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

/// What matters most in a case, said apart from its `expected.txt`, which may be blessed in haste.
#[test]
fn the_command_has_what_it_must_and_nothing_that_it_must_not() {
    for (name, has, has_not) in [
        (
            "nginx-guarded",
            &["--static /static=/srv/static", "--accel /invoices=/srv/invoices"][..],
            &["/backups", "/reports", "--media /media=", "/downloads", "/plans"][..],
        ),
        ("uwsgi-guarded", &["--static /static=", "--media /media="], &["/private"]),
        (
            "nginx-paths",
            &["--max-body-size 5m", "--max-body-size /upload=1g", "--max-body-size /import=2g", "--write-timeout 30s"],
            &["9g", "--keep-alive", "--root-path", "10m"],
        ),
        ("nginx-spa", &["--spa", "--timeout 300s", "--max-body-size /api=50m"], &[]),
        ("nginx-two-sites", &[], &["--no-access-log"]),
        (
            "nginx-root-path",
            &["--root-path /shop", "--max-body-size 50m", "--max-body-size /import=1g"],
            &["/shop=", "2m", "/shop/import"],
        ),
        (
            "gunicorn-variables",
            &["ddtrace-run monopod shop.wsgi", "--threads 8", "--bind :8000 --bind :8001", "--max-request-line 1m"],
            &["WEB_CONCURRENCY", "--env"],
        ),
        ("granian-variables", &["--threads 6", "--bind 0.0.0.0:8000"], &["GRANIAN", "--env"]),
        ("uwsgi-variables", &["--bind :8080", "--threads 4", "--max-body-size 1t"], &["UWSGI", "--env"]),
    ] {
        let report = json(&here("cases").join(name));
        let command: Vec<String> = serde_json::from_value(report["command"].clone()).unwrap();
        let line = format!(" {} ", command.join(" "));
        for part in has {
            assert!(line.contains(&format!(" {part}")), "{name}: {part}: {line}");
        }
        for part in has_not {
            assert!(!line.contains(part), "{name}: {part}: {line}");
        }
    }
}

#[test]
fn secrets_are_not_told() {
    for case in cases() {
        for format in ["command", "toml", "json"] {
            let told = text(&case, format);
            for secret in ["hunter2", "hush-hush", "c2VjcmV0"] {
                assert!(!told.contains(secret), "{} tells {secret}:\n{told}", case.display());
            }
        }
    }
}

#[test]
fn what_cannot_be_read_is_one_sentence_and_a_code() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
    write("raises.py", "import nothing_of_that_name\n");
    write("leaves.py", "raise SystemExit('no')\n");
    write("syntax.py", "bind = \n");
    write("open.conf", "server {\n  listen 80;\n");
    write("config.yaml", "uwsgi:\n");
    write("other", "hello\n");
    for (words, code, part) in [
        (&["missing.py"][..], 66, "missing.py cannot be read"),
        (&["raises.py"], 78, "raises.py fails here"),
        (&["leaves.py"], 78, "leaves.py fails here"),
        (&["syntax.py"], 78, "syntax.py fails here"),
        (&["open.conf"], 78, "open.conf:1: the block of `server` is not closed"),
        (&["config.yaml"], 64, "config.yaml is YAML, which explain does not read"),
        (&["other"], 64, "say --from"),
        (&["--", "uvicorn", "a:b"], 64, "ASGI"),
        (&["--", "flask", "run"], 64, "`flask` is no command that explain reads"),
        (&["--", "gunicorn", "-k", "uvicorn.workers.UvicornWorker", "a:b"], 1, ""),
    ] {
        let words: Vec<String> = words.iter().map(ToString::to_string).collect();
        let output = explain(directory.path(), &words);
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{words:?}: {complaint}");
        assert!(complaint.contains(part), "{words:?}: {complaint}");
        if code != 1 {
            let last = complaint.lines().last().unwrap_or_default();
            assert!(last.starts_with("monopod: "), "{words:?}: {complaint}");
            assert!(output.stdout.is_empty(), "{words:?}");
        }
    }
    let traceback = String::from_utf8(explain(directory.path(), &["raises.py".into()]).stderr).unwrap();
    assert!(traceback.contains("ModuleNotFoundError: No module named 'nothing_of_that_name'"), "{traceback}");
}

proptest::proptest! {
    #[test]
    fn no_text_makes_it_panic(text in r"([a-z_/.:;{}\[\]()%$@='#~*|0-9 -]|\n|\$\{|%\(|location |server |\[uwsgi\]|static|listen |alias |root |=){0,60}") {
        use monopod::explain::{Context, Server, Source, explain};
        for server in [Server::Nginx, Server::Uwsgi, Server::Granian] {
            let context = Context {
                open: &|_| Err(std::io::Error::other("none")),
                list: &|_| Vec::new(),
                env: &|_| None,
                evaluate: &|_, _| Ok(Vec::new()),
                cpus: 1,
                behind_proxy: false,
                read: Vec::new(),
            };
            let source = Source { name: "x".into(), text: text.clone(), server };
            if let Ok(report) = explain(vec![source], &[], context) {
                let words = report.plan.words();
                let parsed = options::command().try_get_matches_from(words[1..].iter().filter(|word| *word != "serve"));
                proptest::prop_assert!(parsed.is_ok(), "{:?}", words);
                let _ = report.render(monopod::explain::report::Format::Command);
            }
        }
    }

    #[test]
    fn no_command_makes_it_panic(words in proptest::collection::vec("-{0,2}[a-z=0-9é-]{0,8}", 0..6)) {
        use monopod::explain::arguments::{read, recognise};
        let _ = recognise(&words);
        for table in [monopod::explain::gunicorn::TABLE, monopod::explain::granian::TABLE, monopod::explain::uwsgi_table::TABLE] {
            let _ = read(&words, table, "x");
        }
    }
}
