//! The digests that `monopod compress` leaves for the scan.

use std::ops::ControlFlow;
use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;
use crate::static_files::digests::Digests;
use crate::static_files::walk::walk;
use crate::static_files::{Mode, compress};

const NAME: &str = ".monopod-digests";
const FILES: [(&str, &[u8]); 4] =
    [("a.css", b"body{}"), ("a.css.gz", b"not really gzip"), ("sub/b c.js", b"let b"), ("s\u{e9}.txt", b"")];

fn compressed(files: &[(&str, &[u8])]) -> Site {
    let site = Site::new(files);
    recompress(&site);
    site
}

fn recompress(site: &Site) {
    compress(&[site.root().to_owned()], Mode::Write, &|_| ControlFlow::Continue(())).unwrap();
}

/// URL paths of `FILES` that are no siblings, and the headers that get each variant.
const REQUESTS: [(&str, &[(&str, &str)]); 4] = [
    ("/static/a.css", &[]),
    ("/static/a.css", &[("accept-encoding", "gzip")]),
    ("/static/sub/b%20c.js", &[]),
    ("/static/s%C3%A9.txt", &[]),
];

fn etags(files: &StaticFiles) -> Vec<String> {
    REQUESTS.map(|(path, fields)| header(&get(files, path, fields), "etag").to_owned()).to_vec()
}

fn known(site: &Site) -> usize {
    let mut tree = walk(site.root()).unwrap();
    Digests::read(site.root()).unwrap().vouch(&mut tree);
    tree.files.values().filter(|found| found.digest.is_some()).count()
}

#[test]
fn entity_tags_are_the_same_with_and_without() {
    let (with, without) = (compressed(&FILES), Site::new(&FILES));
    assert_eq!(known(&with), 4);
    for memory in [0, 8, 1 << 20] {
        assert_eq!(etags(&with.open_with(memory)), etags(&without.open_with(memory)), "{memory} bytes of memory");
    }
}

#[tokio::test]
async fn what_is_known_is_not_read_at_start() {
    let site = compressed(&[("a.css", b"body{}")]);
    let before = header(&get(&site.open_with(0), "/static/a.css", &[]), "etag").to_owned();
    // Other bytes of the same size and time: only one who reads them can tell.
    site.write("a.css", b"BODY{}", 0);
    let files = site.open_with(0);
    assert_eq!(header(&get(&files, "/static/a.css", &[]), "etag"), before);
    assert_eq!(bytes(get(&files, "/static/a.css", &[])).await, "BODY{}");
    // What is kept in memory is read anyway, and then believed.
    assert_ne!(header(&get(&site.open_with(100), "/static/a.css", &[]), "etag"), before);
}

#[test]
fn a_file_that_changed_gets_a_new_tag() {
    let site = compressed(&[("a.css", b"body{}")]);
    let etag = |site: &Site| header(&get(&site.open_with(0), "/static/a.css", &[]), "etag").to_owned();
    let before = etag(&site);
    site.write("a.css", b"BODY{}", 1);
    let after = etag(&site);
    assert_ne!(before, after);
    recompress(&site);
    assert_eq!(etag(&site), after);
    // Another size at the same time.
    site.write("a.css", b"body{ }", 1);
    assert_ne!(etag(&site), after);
}

#[test]
fn times_count_to_the_nanosecond_or_where_they_have_none_to_the_second() {
    let site = Site::new(&[("a.css", b"body{}")]);
    let set = |nanoseconds| {
        let file = File::options().write(true).open(site.root().join("a.css")).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_nanos(nanoseconds)).unwrap();
    };
    let second = 1_700_000_000_000_000_000;
    set(second + 123_456_789);
    recompress(&site);
    for (time, expected) in [
        (second + 123_456_789, 1),
        (second + 123_456_788, 0),
        (second + 123_000_000, 0),
        (second, 1),
        (second + 1_000_000_000, 0),
        (second - 1_000_000_000, 0),
    ] {
        set(time);
        assert_eq!(known(&site), expected, "{time}");
    }
}

#[test]
fn times_before_1970_are_times() {
    let site = Site::new(&[("a.css", b"body{}")]);
    let set = |time: SystemTime| {
        File::options().write(true).open(site.root().join("a.css")).unwrap().set_modified(time).unwrap();
    };
    set(SystemTime::UNIX_EPOCH - Duration::from_millis(1500));
    recompress(&site);
    assert_eq!(known(&site), 1);
    set(SystemTime::UNIX_EPOCH - Duration::from_secs(2));
    assert_eq!(known(&site), 1);
    set(SystemTime::UNIX_EPOCH - Duration::from_secs(1));
    assert_eq!(known(&site), 0);
}

#[test]
fn any_byte_that_is_wrong_makes_all_of_it_void() {
    let site = compressed(&FILES);
    let path = site.root().join(NAME);
    let good = fs::read(&path).unwrap();
    let expected = etags(&site.open_with(0));
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 1;
        fs::write(&path, &bad).unwrap();
        assert!(Digests::read(site.root()).is_err(), "byte {at}");
        fs::write(&path, &good[..at]).unwrap();
        assert!(Digests::read(site.root()).is_err(), "cut at {at}");
    }
    // The files are served all the same.
    assert_eq!(etags(&site.open_with(0)), expected);
    recompress(&site);
    assert_eq!(fs::read(&path).unwrap(), good);
}

#[test]
fn names_out_of_order_or_twice_are_refused() {
    let site = compressed(&FILES);
    let path = site.root().join(NAME);
    let text = fs::read_to_string(&path).unwrap();
    let (records, _) = text.trim_end().rsplit_once('\n').unwrap();
    let lines: Vec<&str> = records.split('\n').collect();
    let write = |lines: &[&str]| {
        let text: String = lines.iter().flat_map(|line| [line, "\n"]).collect();
        let signature = blake3::hash(text.as_bytes()).to_hex();
        fs::write(&path, format!("{text}{signature}\n")).unwrap();
        Digests::read(site.root())
    };
    assert!(write(&lines).is_ok());
    assert!(write(&[lines[0], lines[2], lines[1]]).is_err());
    assert!(write(&[lines[0], lines[1], lines[1]]).is_err());
    assert!(write(&[lines[0], ""]).is_err());
    assert!(write(&[lines[0], &lines[1].replace("found", "lost")]).is_err());
    assert!(write(&["monopod-digests 2", lines[1]]).unwrap_err().to_string().contains("version"));
    assert!(write(&lines[..1]).is_ok());
}

#[test]
fn what_is_no_file_is_not_opened() {
    let site = compressed(&FILES);
    fs::remove_file(site.root().join(NAME)).unwrap();
    assert!(Digests::read(site.root()).is_ok());
    // Reading /dev/zero would never end.
    symlink("/dev/zero", site.root().join(NAME)).unwrap();
    assert!(Digests::read(site.root()).is_err());
    assert_eq!(status(&site.open(), "/static/a.css"), Some(200));
}

#[test]
fn the_file_is_not_served_and_who_may_read_the_directory_may_read_it() {
    let site = Site::new(&FILES);
    fs::set_permissions(site.root(), fs::Permissions::from_mode(0o750)).unwrap();
    recompress(&site);
    let mode = fs::metadata(site.root().join(NAME)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o640);
    assert_eq!(status(&site.open(), "/static/.monopod-digests"), Some(404));
}

#[test]
fn a_second_run_leaves_it_as_it_is() {
    let site = compressed(&FILES);
    let path = site.root().join(NAME);
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1);
    File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
    recompress(&site);
    assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), time);
    site.write("new.css", b"body{}", 0);
    recompress(&site);
    assert!(fs::metadata(&path).unwrap().modified().unwrap() > time);
}
