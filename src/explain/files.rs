//! The files that a configuration names: what they are, by name and content, and those that a pattern means.

use std::io;
use std::path::{Path, PathBuf};

use super::Server;

/// Which server a file is for.
///
/// # Errors
/// A sentence that says how to tell it, or that this form is not read.
pub fn recognise(name: &str, text: &str) -> Result<Server, String> {
    let file = name.rsplit('/').next().unwrap_or(name).to_ascii_lowercase();
    let extension = file.rsplit_once('.').map_or("", |(_, extension)| extension);
    let has_line =
        |starts: &[&str]| text.lines().any(|line| starts.iter().any(|start| line.trim_start().starts_with(start)));
    match extension {
        "py" => return Ok(Server::Gunicorn),
        "ini" => return Ok(Server::Uwsgi),
        "yaml" | "yml" | "json" | "xml" => {
            return Err(format!(
                "{name} is {}, which explain does not read: write uWSGI's options as an ini file, and others as they are typed, after `--`",
                extension.to_uppercase()
            ));
        }
        _ => {}
    }
    if has_line(&["[uwsgi]"]) {
        return Ok(Server::Uwsgi);
    }
    if has_line(&["server {", "server{", "location ", "http {", "http{", "upstream ", "proxy_pass ", "events {"]) {
        return Ok(Server::Nginx);
    }
    if has_line(&["bind =", "bind=", "workers =", "workers=", "worker_class", "import ", "def post_fork", "timeout ="])
    {
        return Ok(Server::Gunicorn);
    }
    if file.contains("nginx") {
        return Ok(Server::Nginx);
    }
    Err(format!("{name} cannot be told by its name or content: say --from gunicorn, uwsgi, granian or nginx"))
}

/// The files that a path means whose last part may have `*` and `?`, in the order of their names.
#[must_use]
pub fn matching(pattern: &Path) -> Vec<PathBuf> {
    let name = pattern.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    if !name.contains(['*', '?']) {
        return if pattern.is_file() { vec![pattern.to_path_buf()] } else { Vec::new() };
    }
    let directory = pattern.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    let mut found: Vec<PathBuf> = entries
        .filter_map(Result::ok)
        .filter(|entry| {
            let file = entry.file_name();
            let file = file.to_string_lossy();
            fits(name.as_bytes(), file.as_bytes()) && (!file.starts_with('.') || name.starts_with('.'))
        })
        .map(|entry| pattern.with_file_name(entry.file_name()))
        .filter(|path| path.is_file())
        .collect();
    found.sort();
    found
}

/// Whether a name fits a pattern of a shell's.
fn fits(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(&c) if c == b'?' || c == name[n] => {
                p += 1;
                n += 1;
            }
            _ => {
                let Some((at, from)) = star else { return false };
                p = at + 1;
                n = from + 1;
                star = Some((at, from + 1));
            }
        }
    }
    pattern[p..].iter().all(|c| *c == b'*')
}

/// A configuration file as text; one that is larger than any is none.
///
/// # Errors
/// Of reading, and where it is no UTF-8.
pub fn open(path: &Path) -> io::Result<String> {
    const MOST: u64 = 8 << 20;
    if std::fs::metadata(path)?.len() > MOST {
        return Err(io::Error::other("it is larger than 8 MiB"));
    }
    std::fs::read_to_string(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_told_by_name_and_content() {
        for (name, text, server) in [
            ("conf/gunicorn.conf.py", "", Server::Gunicorn),
            ("gunicorn_config", "workers = 4\n", Server::Gunicorn),
            ("uwsgi.ini", "", Server::Uwsgi),
            ("x.conf", "[uwsgi]\nhttp=:80", Server::Uwsgi),
            ("default.conf.template", "server {\n}", Server::Nginx),
            ("nginx.conf", "user www;", Server::Nginx),
        ] {
            assert_eq!(recognise(name, text), Ok(server), "{name}");
        }
        assert!(recognise("a.yml", "").unwrap_err().contains("is YML"));
        assert!(recognise("Procfile", "web: x").unwrap_err().contains("--from"));
    }

    #[test]
    fn patterns_fit_as_in_a_shell() {
        for (pattern, name, expected) in [
            ("*.conf", "a.conf", true),
            ("*.conf", "a.conf.bak", false),
            ("a?c*", "abcdef", true),
            ("*a*b*", "xxaxxb", true),
            ("", "", true),
            ("*", "", true),
            ("a", "", false),
        ] {
            assert_eq!(fits(pattern.as_bytes(), name.as_bytes()), expected, "{pattern} {name}");
        }
    }
}
