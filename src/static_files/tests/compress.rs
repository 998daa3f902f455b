//! `monopod compress`.

use std::fs::Permissions;
use std::io::Read;
use std::ops::ControlFlow;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::static_files::{CompressError, CompressReport, Mode, Progress, compress};

fn text() -> String {
    (0..400).map(|line| format!("function f{line}(x) {{ return x + {line}; }}")).collect::<Vec<_>>().join("\n")
}

/// All but the digests.
fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| name != ".monopod-digests");
    names.sort();
    names
}

fn attempt(dirs: &[&Path], mode: Mode) -> Result<CompressReport, CompressError> {
    let dirs: Vec<PathBuf> = dirs.iter().map(|dir| dir.to_path_buf()).collect();
    compress(&dirs, mode, &|_| ControlFlow::Continue(()))
}

fn run(dir: &Path) -> CompressReport {
    attempt(&[dir], Mode::Write).unwrap()
}

/// The sentence of a check; empty when there is nothing to do.
fn check(dir: &Path) -> String {
    let before = snapshot(dir);
    let sentence = attempt(&[dir], Mode::Check).map_or_else(|error| error.to_string(), |_| String::new());
    assert_eq!(snapshot(dir), before, "a check changes nothing");
    sentence
}

/// Every file, hidden ones too, with its bytes and time.
fn snapshot(dir: &Path) -> Vec<(PathBuf, Vec<u8>, SystemTime)> {
    let mut files: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.clone(), fs::read(&path).unwrap(), modified(&path)))
        .collect();
    files.sort();
    files
}

fn modified(path: &Path) -> SystemTime {
    fs::metadata(path).unwrap().modified().unwrap()
}

fn set_modified(path: &Path, time: SystemTime) {
    fs::File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
}

fn noise(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    blake3::Hasher::new().finalize_xof().fill(&mut bytes);
    bytes
}

#[test]
fn writes_siblings_that_decode_to_the_source() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("app.js");
    fs::write(&path, text()).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
    let modified = SystemTime::UNIX_EPOCH + Duration::new(1_700_000_000, 123_000_000);
    set_modified(&path, modified);

    let report = run(dir.path());
    assert_eq!((report.files, report.written, report.skipped, report.removed), (1, 3, 0, 0));
    assert_eq!(report.bytes_before, text().len() as u64);
    assert!(report.bytes_after * 4 < report.bytes_before);
    assert_eq!(names(dir.path()), ["app.js", "app.js.br", "app.js.gz", "app.js.zst"]);

    let read = |suffix: &str| fs::read(dir.path().join(format!("app.js{suffix}"))).unwrap();
    let mut decoded = String::new();
    brotli::Decompressor::new(&read(".br")[..], 4096).read_to_string(&mut decoded).unwrap();
    assert_eq!(decoded, text());
    assert_eq!(zstd::decode_all(&read(".zst")[..]).unwrap(), text().as_bytes());
    decoded.clear();
    flate2::read::GzDecoder::new(&read(".gz")[..]).read_to_string(&mut decoded).unwrap();
    assert_eq!(decoded, text());
    for suffix in [".br", ".zst", ".gz"] {
        let metadata = fs::metadata(dir.path().join(format!("app.js{suffix}"))).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o777, 0o640);
        assert_eq!(metadata.modified().unwrap(), modified);
    }
}

#[test]
fn a_second_run_writes_nothing_and_a_newer_source_is_done_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("app.js");
    fs::write(&path, text()).unwrap();
    assert_eq!(run(dir.path()).written, 3);
    let again = run(dir.path());
    assert_eq!((again.written, again.up_to_date), (0, 3));

    fs::remove_file(dir.path().join("app.js.zst")).unwrap();
    let again = run(dir.path());
    assert_eq!((again.written, again.up_to_date), (1, 2));

    set_modified(&path, SystemTime::now() + Duration::from_secs(10));
    assert_eq!(run(dir.path()).written, 3);
}

#[test]
fn what_gains_nothing_is_skipped_and_its_stale_siblings_go() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("tiny.js"), "x".repeat(255)).unwrap();
    fs::write(dir.path().join("photo.png"), text()).unwrap();
    fs::write(dir.path().join("photo.png.gz"), "the user's own").unwrap();
    fs::write(dir.path().join("noise.bin"), noise(4096)).unwrap();
    fs::write(dir.path().join("noise.bin.br"), "old").unwrap();
    set_modified(&dir.path().join("noise.bin.br"), SystemTime::now() - Duration::from_secs(100));

    let report = run(dir.path());
    assert_eq!((report.files, report.written, report.skipped, report.removed), (3, 0, 3, 1));
    assert_eq!(report.bytes_before, report.bytes_after);
    assert_eq!(names(dir.path()), ["noise.bin", "photo.png", "photo.png.gz", "tiny.js"]);
}

#[test]
fn leaves_alone_what_is_not_public() {
    let dir = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("out.js"), text()).unwrap();
    fs::write(dir.path().join(".hidden.js"), text()).unwrap();
    symlink(outside.path(), dir.path().join("out")).unwrap();
    assert_eq!(run(dir.path()).files, 0);
    assert_eq!(names(outside.path()), ["out.js"]);
}

#[test]
fn says_how_far_it_is_and_what_is_missing() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["a.js", "b.js", "c.js"] {
        fs::write(dir.path().join(name), text()).unwrap();
    }
    let all = text().len() as u64 * 3;
    let (calls, last) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let note = |progress: Progress| {
        assert_eq!((progress.files, progress.bytes), (3, all));
        assert_eq!(progress.bytes_done == all, progress.done == 3);
        calls.fetch_add(1, Ordering::Relaxed);
        last.fetch_max(progress.done, Ordering::Relaxed);
        ControlFlow::Continue(())
    };
    compress(&[dir.path().to_owned()], Mode::Write, &note).unwrap();
    assert_eq!((calls.into_inner(), last.into_inner()), (3, 3));

    let missing = attempt(&[&dir.path().join("missing")], Mode::Write).unwrap_err().to_string();
    assert!(missing.contains("missing") && missing.contains("exist"), "{missing}");
}

#[test]
fn a_check_says_what_is_missing_or_stale_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    fs::write(path("a.js"), text()).unwrap();
    fs::write(path("b.js"), text()).unwrap();
    fs::write(path("tiny.js"), "tiny").unwrap();
    fs::write(path("noise.bin"), noise(4096)).unwrap();
    fs::write(path("photo.png"), text()).unwrap();
    let command = format!("run `monopod compress {}`", dir.path().display());

    let nothing_yet = check(dir.path());
    assert_eq!(
        nothing_yet,
        format!("6 compressed siblings are missing or stale (the first is {}); {command}", path("a.js.br").display())
    );
    run(dir.path());
    assert_eq!(check(dir.path()), "");

    fs::remove_file(path("a.js.zst")).unwrap();
    assert_eq!(
        check(dir.path()),
        format!("1 compressed sibling is missing or stale (the first is {}); {command}", path("a.js.zst").display())
    );
    run(dir.path());
    assert_eq!(check(dir.path()), "");

    set_modified(&path("b.js"), SystemTime::now() + Duration::from_secs(10));
    assert!(check(dir.path()).starts_with("3 compressed siblings are missing or stale (the first is"));
    run(dir.path());
    assert_eq!(check(dir.path()), "");

    // All siblings are there, but the server would read every file.
    fs::remove_file(path(".monopod-digests")).unwrap();
    assert_eq!(check(dir.path()), format!("{} is missing or stale; {command}", path(".monopod-digests").display()));
    fs::write(path(".monopod-digests"), "of somebody else").unwrap();
    assert!(check(dir.path()).contains(".monopod-digests is missing or stale"));
    run(dir.path());
    assert_eq!(check(dir.path()), "");
    fs::write(path("new.png"), "png").unwrap();
    assert!(check(dir.path()).contains(".monopod-digests is missing or stale"));
}

#[test]
fn a_check_names_only_the_directories_to_do() {
    let (done, open) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for dir in [&done, &open] {
        fs::write(dir.path().join("a.js"), text()).unwrap();
    }
    run(done.path());
    let error = attempt(&[done.path(), open.path()], Mode::Check).unwrap_err();
    assert!(error.is_outdated());
    assert!(error.to_string().ends_with(&format!("run `monopod compress {}`", open.path().display())), "{error}");
}

#[test]
fn siblings_whose_source_is_gone_go_too_where_compress_wrote_them() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    for name in ["gone.js", "kept.js", "theirs.js", "changed.js"] {
        fs::write(path(name), text()).unwrap();
    }
    fs::write(path("theirs.js.gz"), "by another tool").unwrap();
    run(dir.path());
    fs::write(path("changed.js.br"), "overwritten since").unwrap();
    // A copy has other times, and is known by its content.
    set_modified(&path("gone.js.gz"), SystemTime::now() - Duration::from_secs(1000));
    // One that leads out is left out of the tree, but is not gone.
    let outside = tempfile::NamedTempFile::new().unwrap();
    fs::write(path("link.js"), text()).unwrap();
    run(dir.path());
    for name in ["gone.js", "theirs.js", "changed.js", "link.js"] {
        fs::remove_file(path(name)).unwrap();
    }
    symlink(outside.path(), path("link.js")).unwrap();

    let sentence = attempt(&[dir.path()], Mode::Check).unwrap_err().to_string();
    assert!(sentence.starts_with("7 compressed siblings are missing or stale (the first is"), "{sentence}");
    assert_eq!(run(dir.path()).removed, 7);
    assert_eq!(
        names(dir.path()),
        [
            "changed.js.br",
            "kept.js",
            "kept.js.br",
            "kept.js.gz",
            "kept.js.zst",
            "link.js",
            "link.js.br",
            "link.js.gz",
            "link.js.zst",
            "theirs.js.gz",
        ]
    );
    assert_eq!(run(dir.path()).removed, 0);
}

#[test]
fn a_source_that_changed_at_the_same_time_is_done_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let time = SystemTime::UNIX_EPOCH + Duration::new(499_162_500, 0);
    // As npm dates every file.
    let put = |name: &str, bytes: &[u8]| {
        fs::write(path(name), bytes).unwrap();
        set_modified(&path(name), time);
    };
    put("noise.bin", &noise(4096));
    put("photo.png", b"one");
    put("app.js", text().as_bytes());
    assert_eq!(run(dir.path()).written, 3);

    put("app.js", text().replace('x', "y").as_bytes());
    assert!(check(dir.path()).starts_with("3 compressed siblings are"));
    assert_eq!(run(dir.path()).written, 3);
    let gzip = fs::read(path("app.js.gz")).unwrap();
    let mut decoded = String::new();
    flate2::read::GzDecoder::new(&gzip[..]).read_to_string(&mut decoded).unwrap();
    assert_eq!(decoded, text().replace('x', "y"));

    put("noise.bin", &[7; 4096]);
    assert!(check(dir.path()).starts_with("3 compressed siblings are"));
    assert_eq!(run(dir.path()).written, 3);

    put("photo.png", b"two");
    assert!(check(dir.path()).contains(".monopod-digests is missing or stale"));
    run(dir.path());
    assert_eq!(check(dir.path()), "");
}

#[test]
fn one_directory_given_twice_is_done_once() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a.js"), text()).unwrap();
    let report = attempt(&[dir.path(), &dir.path().join(".")], Mode::Write).unwrap();
    assert_eq!((report.files, report.written), (1, 3));
}

#[test]
fn a_run_told_to_end_ends_and_the_next_one_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    for number in 0..50 {
        fs::write(dir.path().join(format!("{number}.js")), text()).unwrap();
    }
    let error = compress(&[dir.path().to_owned()], Mode::Write, &|_| ControlFlow::Break(())).unwrap_err();
    assert!(matches!(error, CompressError::Interrupted), "{error}");
    let rest = run(dir.path());
    assert!(rest.written > 0 && rest.up_to_date > 0, "{rest:?}");
    assert_eq!(rest.written + rest.up_to_date, 150);
    // What the first run wrote is known to be its own.
    for number in 0..50 {
        fs::remove_file(dir.path().join(format!("{number}.js"))).unwrap();
    }
    assert_eq!(run(dir.path()).removed, 150);
}

#[test]
fn what_cannot_be_written_is_one_sentence() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a.js"), text()).unwrap();
    fs::create_dir(dir.path().join(".monopod-digests")).unwrap();
    let error = attempt(&[dir.path()], Mode::Write).unwrap_err().to_string();
    assert!(error.starts_with(&format!("cannot write {}/.monopod-digests: ", dir.path().display())), "{error}");
    assert!(error.ends_with("run where the directory is writable, such as the image build"), "{error}");
}

#[test]
fn the_line_of_json() {
    let report = CompressReport {
        files: 1,
        written: 2,
        up_to_date: 3,
        skipped: 4,
        removed: 5,
        bytes_before: 6,
        bytes_after: 7,
        elapsed: Duration::from_millis(1234),
    };
    assert_eq!(
        report.to_json(),
        r#"{"files":1,"written":2,"up_to_date":3,"skipped":4,"removed":5,"bytes_before":6,"bytes_after":7,"seconds":1.234}"#
    );
}
