//! What fuzzing has learned and found, and the raw requests of `tests/requests`, through the checks that `make fuzz` runs.

use std::fs;
use std::panic;
use std::path::{Path, PathBuf};

use crate::{checks, escape};

type Check = fn(&[u8]);

#[test]
fn accept_encoding() {
    replay("accept_encoding", checks::accept_encoding);
}

#[test]
fn environ() {
    replay("environ", checks::environ);
    replay_requests(checks::environ);
}

#[test]
fn forwarded() {
    replay("forwarded", checks::forwarded);
}

#[test]
fn guard() {
    replay("guard", checks::guard);
    replay_requests(checks::guard);
}

#[test]
fn proxy_protocol() {
    replay("proxy_protocol", checks::proxy_protocol);
}

#[test]
fn range() {
    replay("range", checks::range);
}

/// Every directory of the corpus belongs to a target, and every target has one.
#[test]
fn no_corpus_is_forgotten() {
    let targets = |directory: &str| {
        let stems = files(directory).into_iter().map(|path| path.file_stem().unwrap().to_owned());
        stems.collect::<Vec<_>>()
    };
    assert_eq!(targets("fuzz/corpus"), targets("fuzz/targets"));
    assert_eq!(targets("fuzz/corpus"), ["accept_encoding", "environ", "forwarded", "guard", "proxy_protocol", "range"]);
}

fn replay(target: &str, check: Check) {
    let corpus = files(&format!("fuzz/corpus/{target}"));
    assert!(!corpus.is_empty());
    for path in corpus {
        run(&path, &fs::read(&path).unwrap(), check);
    }
}

fn replay_requests(check: Check) {
    for directory in ["valid", "invalid"] {
        let cases = files(&format!("tests/requests/{directory}"));
        for path in cases.iter().filter(|path| path.extension().is_some_and(|extension| extension == "http")) {
            run(path, &escape::decode(&fs::read_to_string(path).unwrap()).unwrap(), check);
        }
    }
}

fn files(directory: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(directory)).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

/// Says which file it was.
fn run(path: &Path, data: &[u8], check: Check) {
    let outcome = panic::catch_unwind(|| check(data));
    assert!(outcome.is_ok(), "{}", path.display());
}
