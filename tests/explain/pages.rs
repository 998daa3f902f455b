//! Promise: docs/migrating.md shows the tables that `explain` works by, and what its commands print is what they print.
//! `MONOPOD_BLESS=1 cargo test --test explain` writes the tables anew.

use std::fmt::Write as _;
use std::path::Path;

use monopod::explain::reference;

use super::{explain, shell_words};

fn page() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/migrating.md")
}

#[test]
fn the_tables_are_those_of_the_code() {
    let written = std::fs::read_to_string(page()).unwrap();
    let mut rendered = String::new();
    let mut rest = written.as_str();
    let mut servers = Vec::new();
    while let Some((before, behind)) = rest.split_once("<!-- table: ") {
        let (server, behind) = behind.split_once(" -->").unwrap();
        let (_, behind) = behind.split_once("<!-- end -->").unwrap();
        rendered.push_str(before);
        write!(rendered, "<!-- table: {server} -->\n{}<!-- end -->", reference::table(server)).unwrap();
        servers.push(server);
        rest = behind;
    }
    rendered.push_str(rest);
    assert_eq!(servers, ["gunicorn", "uwsgi", "granian", "nginx"]);
    if std::env::var_os("MONOPOD_BLESS").is_some() {
        std::fs::write(page(), &rendered).unwrap();
    }
    let written = std::fs::read_to_string(page()).unwrap();
    assert!(written == rendered, "docs/migrating.md is out of date: MONOPOD_BLESS=1 cargo test --test explain");
}

/// Each `$ monopod explain …`, in the directory of the files before; what follows it is how the answer begins.
#[test]
fn commands_print_what_the_page_says() {
    let before = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/migrating/before");
    let elsewhere = tempfile::tempdir().unwrap();
    std::fs::write(elsewhere.path().join("uwsgi.ini"), "[uwsgi]\nmodule = app:app\n").unwrap();
    let page = std::fs::read_to_string(page()).unwrap();
    let mut shown = 0;
    for block in page.split("```console\n").skip(1) {
        let block = block.split("```").next().unwrap();
        for part in block.split("$ monopod explain ").skip(1) {
            let (command, expected) = part.split_once('\n').unwrap_or((part, ""));
            let words = shell_words(command).unwrap();
            let directory = if words.contains(&"nginx.conf".to_owned()) { before.as_path() } else { elsewhere.path() };
            let output = explain(directory, &words);
            let told = String::from_utf8(output.stdout).unwrap();
            assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
            assert!(told.starts_with(expected), "{command} prints\n{told}");
            shown += usize::from(!expected.is_empty());
        }
    }
    assert_eq!(shown, 4);
}
