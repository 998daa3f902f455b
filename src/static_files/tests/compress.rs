//! `monopod compress`.

use std::fs::Permissions;
use std::io::Read;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::static_files::{CompressReport, Progress, compress, compress_with_progress};

fn text() -> String {
    (0..400).map(|line| format!("function f{line}(x) {{ return x + {line}; }}")).collect::<Vec<_>>().join("\n")
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn run(dir: &Path) -> CompressReport {
    compress(&[dir.to_owned()]).unwrap()
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
    fs::File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();

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

    let source = fs::File::options().write(true).open(&path).unwrap();
    source.set_modified(SystemTime::now() + Duration::from_secs(10)).unwrap();
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
    let stale = fs::File::options().write(true).open(dir.path().join("noise.bin.br")).unwrap();
    stale.set_modified(SystemTime::now() - Duration::from_secs(100)).unwrap();

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
    assert_eq!(run(dir.path()), CompressReport::default());
    assert_eq!(names(outside.path()), ["out.js"]);
}

#[test]
fn says_how_far_it_is_and_what_is_missing() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["a.js", "b.js", "c.js"] {
        fs::write(dir.path().join(name), text()).unwrap();
    }
    let last = AtomicUsize::new(0);
    let note = |progress: Progress| {
        assert_eq!(progress.files, 3);
        last.fetch_max(progress.done, Ordering::Relaxed);
    };
    compress_with_progress(&[dir.path().to_owned()], &note).unwrap();
    assert_eq!(last.into_inner(), 3);

    let missing = compress(&[dir.path().join("missing")]).unwrap_err().to_string();
    assert!(missing.contains("missing") && missing.contains("exist"), "{missing}");
}
