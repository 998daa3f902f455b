//! What a location is for: the application, files, or something that another part of monopod does.

use super::guard::{self, Guard};
use super::parse::Directive;
use super::site::Site;
use crate::explain::setting::Status;

/// A location, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// As it is named in the report.
    pub label: String,
    pub kind: Kind,
    pub status: Status,
    /// Options that stand for it: keys and values.
    pub choices: Vec<(String, String)>,
    pub note: String,
    /// For rules about headers of its files, and sizes of its bodies: the URL it begins with.
    pub url: Option<String>,
    /// For limits of its requests: the URL it begins with, empty for all; none where it is a pattern.
    pub prefix: Option<String>,
    /// To be looked at before the switch.
    pub advice: Vec<String>,
}

/// What kind of location.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    App,
    Files,
    Other,
}

/// Directories whose files come while the server runs, by the names that they usually have.
const UPLOADS: &[&str] = &[
    "media",
    "upload",
    "uploads",
    "files",
    "user-media",
    "attachments",
    "documents",
    "protected",
    "private",
    "usermedia",
];

impl Location {
    /// `root` is what the blocks around it say, `guard` who may see it.
    #[must_use]
    pub fn of(directive: &Directive, root: Option<&str>, guard: Guard, site: &Site) -> Self {
        let (_, path) = pattern_of(directive);
        Self::unguarded(directive, root, site).guarded(guard, path, site)
    }

    fn unguarded(directive: &Directive, root: Option<&str>, site: &Site) -> Self {
        let (modifier, path) = pattern_of(directive);
        let made = Self {
            label: format!("location {}", directive.arguments.join(" ")),
            kind: Kind::Other,
            status: Status::NotNeeded,
            choices: Vec::new(),
            note: String::new(),
            url: None,
            prefix: prefix_of(modifier, path),
            advice: Vec::new(),
        };
        let is_prefix = matches!(modifier, "" | "^~");
        let url = (is_prefix && path.starts_with('/')).then(|| path.trim_end_matches('/').to_owned());
        let made = Self { url, ..made };
        let passes = ["proxy_pass", "uwsgi_pass"].iter().find_map(|name| directive.last(name));
        if let Some(pass) = passes {
            return made.passed(pass, path, modifier, site);
        }
        if ["fastcgi_pass", "scgi_pass", "grpc_pass", "memcached_pass"].iter().any(|name| directive.has(name)) {
            return made.told(Status::Dropped, "another program: route to it at the ingress");
        }
        if directive.has("stub_status") {
            return made.told(Status::Dropped, "`/metrics` and the status page on the admin port");
        }
        if let Some(answer) = directive.last("return") {
            return made.returned(answer.first(), path, modifier);
        }
        if path.contains("acme-challenge") {
            return made.told(Status::Dropped, "certificates are the ingress's (cert-manager)");
        }
        if directive.last("deny").is_some_and(|deny| deny.first() == "all") && !directive.has("allow") {
            if path.contains(r"\.") || path.contains("/.") {
                return made.told(Status::NotNeeded, HIDDEN);
            }
            return made.told(Status::Dropped, "the application or the ingress refuses it");
        }
        if modifier.starts_with('~') {
            return made.by_pattern(directive, path, root);
        }
        if modifier == "=" {
            return made.single(directive, path, site);
        }
        made.files(directive, path, root, site)
    }

    /// Without the options that would show everybody what only some might see.
    fn guarded(self, guard: Guard, path: &str, site: &Site) -> Self {
        if self.kind == Kind::App {
            let advice = guard.name().map(|name| {
                let label = &self.label;
                format!("Not everybody came through {label} ({name}): monopod lets all requests to the application, so the ingress or the application must refuse them.")
            });
            return Self { advice: self.advice.into_iter().chain(advice).collect(), ..self };
        }
        let shown: Vec<&str> = self
            .choices
            .iter()
            .filter(|(key, _)| matches!(key.as_str(), "static" | "media" | "static-root"))
            .map(|(key, value)| match value.split_once('=') {
                Some((url, _)) if key != "static-root" => url,
                _ => "",
            })
            .collect();
        if shown.is_empty() {
            return self;
        }
        let (why, told) = if let Some(name) = guard.name() {
            (format!("was protected by {name}"), format!("{} was protected by {name}", self.label))
        } else if let Some(inner) = shown.iter().find_map(|url| site.closed_below(url, path)) {
            let why = format!("inside it {inner} was not for everybody");
            (why, format!("Inside {} files were kept from everybody ({inner})", self.label))
        } else {
            return self;
        };
        let advice = format!(
            "{told}, and monopod has no such rules: let a view of the application answer with X-Accel-Redirect (--accel), or keep what is for everybody in a directory of its own."
        );
        let note = format!("{why}, which no option says: let a view answer with X-Accel-Redirect (--accel)");
        Self { kind: Kind::Other, choices: Vec::new(), advice: vec![advice], ..self }.told(Status::Dropped, note)
    }

    fn told(self, status: Status, note: impl Into<String>) -> Self {
        Self { status, note: note.into(), ..self }
    }

    fn kept(self, choices: Vec<(String, String)>, note: impl Into<String>) -> Self {
        Self { kind: Kind::Files, status: Status::Kept, choices, note: note.into(), ..self }
    }

    fn passed(self, pass: &Directive, path: &str, modifier: &str, site: &Site) -> Self {
        let (upstream, uri) = target_of(pass.first());
        if !site.is_application(upstream) {
            let note = format!("{upstream} is not the application: route to it at the ingress");
            return self.told(Status::Dropped, note);
        }
        let made = Self { kind: Kind::App, ..self };
        let is_prefix = matches!(modifier, "" | "^~");
        let strips = uri.is_some_and(|uri| uri.is_empty() || uri == "/");
        if strips && is_prefix && !path.trim_matches('/').is_empty() && site.application_paths == 1 {
            let value = path.trim_end_matches('/').to_owned();
            let note = "the prefix that nginx took away from the path is SCRIPT_NAME";
            let choices = vec![("root-path".to_owned(), value)];
            return Self { status: Status::Kept, choices, note: note.to_owned(), ..made };
        }
        if let Some(uri) = uri.filter(|uri| !uri.is_empty() && *uri != path && !uri.starts_with("/$request_uri")) {
            let advice = format!(
                "nginx changed the path {path} to {uri}: the ingress (rewrite-target), a middleware or the application's own URLs must do so now."
            );
            let note =
                format!("nginx changed the path {path} to {uri}: the ingress (rewrite-target) or a middleware must");
            return Self { advice: vec![advice], ..made }.told(Status::Dropped, note);
        }
        made.told(Status::NotNeeded, "the application has every path that is not a file's")
    }

    fn returned(self, code: &str, path: &str, modifier: &str) -> Self {
        if matches!(code, "200" | "204") && !modifier.starts_with('~') && !path.starts_with('@') {
            let choices = vec![("health-path".to_owned(), path.to_owned())];
            let note = "answered as the readiness probe is; better ask /-/ready on the admin port";
            return Self { status: Status::Kept, choices, note: note.to_owned(), ..self };
        }
        match code {
            "301" | "302" | "303" | "307" | "308" => {
                self.told(Status::Dropped, "redirects are the ingress's or the application's")
            }
            "404" | "403" => self.told(Status::Dropped, "the application answers for its own paths"),
            _ => self.told(Status::Dropped, "answers of nginx's own are the ingress's or the application's"),
        }
    }

    fn by_pattern(self, directive: &Directive, path: &str, root: Option<&str>) -> Self {
        let names = segments(path);
        let dir = match (directive.last("alias"), names.as_slice()) {
            // `^/static/(.*)$` with `alias /srv/static/$1`.
            (Some(alias), [name]) => alias.first().strip_suffix("/$1").map(|dir| vec![(name.clone(), dir.to_owned())]),
            (Some(_), _) => None,
            (None, names) => directive.last("root").map(Directive::first).or(root).map(|dir| {
                let below = |name: &String| (name.clone(), format!("{}/{name}", dir.trim_end_matches('/')));
                names.iter().map(below).collect()
            }),
        };
        if let Some(mounts) = dir.filter(|mounts| !mounts.is_empty()) {
            let choices = mounts.into_iter().map(|(name, dir)| mount(&format!("/{name}"), &dir, directive));
            return self.kept(choices.collect(), "");
        }
        let is_ending = path.contains(r"\.") || path.contains("(?:");
        if !is_ending && !directive.has("alias") {
            return self.told(Status::Dropped, "patterns of URLs are the ingress's or the application's");
        }
        let made = Self { kind: Kind::Files, ..self };
        if directive.has("alias") {
            return made.told(Status::Dropped, "name the URL and the directory: --static /URL=DIR");
        }
        let note = "files are found by where they lie, not by their ending; their caching is --max-age, and a year for names with a hash";
        made.told(Status::NotNeeded, note)
    }

    fn single(self, directive: &Directive, path: &str, site: &Site) -> Self {
        let file = directive.last("alias").map(|alias| alias.first().to_owned());
        let own = directive.last("root").map(|root| format!("{}{path}", root.first().trim_end_matches('/')));
        let Some(file) = file.or(own) else {
            return self.told(Status::NotNeeded, "the application answers it, or a file of --static-root");
        };
        if site.error_pages.iter().any(|page| page == path) {
            return self.told(Status::Dropped, "a page for errors: the application's own go to the client as they are");
        }
        let made = Self { kind: Kind::Files, ..self };
        let note = format!(
            "put {file} into a directory of such files (favicon.ico, robots.txt), and name that by --static-root: all its files are public"
        );
        made.told(Status::Dropped, note)
    }

    fn files(self, directive: &Directive, path: &str, root: Option<&str>, site: &Site) -> Self {
        let is_named = path.starts_with('@');
        let own = directive.last("root").map(Directive::first);
        let alias = directive.last("alias").map(Directive::first);
        let Some(dir) = alias.or(own).or(root).filter(|_| !is_named) else {
            return self.told(Status::NotNeeded, "nothing in it is left to do");
        };
        if path == "/" {
            let falls_back = directive.last("try_files").and_then(|tried| tried.arguments.last());
            let spa = falls_back.is_some_and(|last| is_page(last));
            let mut choices = vec![("static-root".to_owned(), dir.to_owned())];
            if spa {
                choices.push(("spa".to_owned(), "true".to_owned()));
            }
            let is_tried = falls_back.is_some_and(|last| last.starts_with('@'));
            if !spa
                && !is_tried
                && site.application_paths == 0
                && own.or(alias).is_none()
                && !directive.has("try_files")
            {
                return self.told(Status::NotNeeded, "the application has every path that is not a file's");
            }
            return self.kept(choices, "files beside the application's pages; what is no file is the application's");
        }
        let url = path.trim_end_matches('/');
        let dir = match alias {
            Some(alias) => alias.to_owned(),
            None => format!("{}{url}", dir.trim_end_matches('/')),
        };
        let dir = if dir.len() > 1 { dir.trim_end_matches('/').to_owned() } else { dir };
        self.kept(vec![mount(url, &dir, directive)], "")
    }
}

/// The option for the files of a directory: named by the application, coming and going, or known at the start.
fn mount(url: &str, dir: &str, directive: &Directive) -> (String, String) {
    let key = if directive.has("internal") {
        "accel"
    } else if is_uploads(url, dir) {
        "media"
    } else {
        "static"
    };
    (key.to_owned(), format!("{url}={dir}"))
}

/// Whether files come while the server runs, by the names of the URL's end or of the directories.
#[must_use]
pub fn is_uploads(url: &str, dir: &str) -> bool {
    let is_known = |name: &str| UPLOADS.contains(&name.to_ascii_lowercase().as_str());
    url.rsplit('/').next().is_some_and(is_known) || dir.split('/').any(|name| matches!(name, "media" | "uploads"))
}

/// Why nothing must refuse dotfiles.
pub const HIDDEN: &str = "names with a leading dot are not served, .well-known excepted";

/// The URL that a location's requests begin with, without its last slash.
fn prefix_of(modifier: &str, path: &str) -> Option<String> {
    if path.starts_with('@') {
        return Some(String::new());
    }
    let prefix = guard::literal(modifier, path)?.trim_end_matches('/').to_owned();
    // A pattern that begins with `^/` says nothing of all paths.
    (!prefix.is_empty() || matches!(modifier, "" | "^~")).then_some(prefix)
}

/// The modifier of a location, and its path or pattern.
#[must_use]
pub fn pattern_of(directive: &Directive) -> (&str, &str) {
    match directive.arguments.as_slice() {
        [modifier, path, ..] => (modifier.as_str(), path.as_str()),
        [path] => glued(path),
        [] => ("", ""),
    }
}

/// `~*\.js$` without a space, `=/x`.
fn glued(path: &str) -> (&str, &str) {
    for modifier in ["~*", "^~", "~", "="] {
        if let Some(rest) = path.strip_prefix(modifier).filter(|rest| !rest.is_empty()) {
            return (&path[..modifier.len()], rest);
        }
    }
    ("", path)
}

/// The names in a pattern like `^/(static|media)/` or `^/static/`; none where it is another.
fn segments(pattern: &str) -> Vec<String> {
    let Some(rest) = pattern.strip_prefix("^/") else { return Vec::new() };
    let end = rest.find('/').unwrap_or(rest.len());
    let (names, behind) = rest.split_at(end);
    let names = names.trim_start_matches("(?:").trim_start_matches('(').trim_end_matches(')');
    let is_name = |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c));
    let names: Vec<&str> = names.split('|').collect();
    let behind = behind.trim_start_matches('/').trim_end_matches('$').trim_start_matches('(').trim_end_matches(')');
    if !names.iter().all(|name| is_name(name)) || !matches!(behind, "" | ".*" | ".+" | "?") {
        return Vec::new();
    }
    names.into_iter().map(str::to_owned).collect()
}

/// Whether the last of try_files is a page.
#[must_use]
pub fn is_page(last: &str) -> bool {
    last.to_ascii_lowercase().ends_with(".html")
}

/// The upstream's name or address, and the URI behind it, of the argument of proxy_pass.
#[must_use]
pub fn target_of(argument: &str) -> (&str, Option<&str>) {
    let rest = argument.split_once("://").map_or(argument, |(_, rest)| rest);
    if let Some(path) = rest.strip_prefix("unix:") {
        let (path, uri) = path.split_once(':').map_or((path, None), |(path, uri)| (path, Some(uri)));
        return (path, uri.filter(|uri| !uri.is_empty()));
    }
    match rest.find('/') {
        Some(at) => (&rest[..at], Some(&rest[at..])),
        None => (rest, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explain::nginx::parse::parse;

    fn gist(text: &str) -> String {
        let tree = parse(text, "n").unwrap();
        let site = Site::of(&tree);
        let server = &tree[0];
        let root = server.last("root").map(Directive::first);
        let guard = Guard::default().within(server.inner());
        let inner = server.all("location").next().unwrap();
        let guard = guard.within(inner.inner());
        let location = Location::of(inner, root, guard, &site);
        let choices: Vec<_> = location.choices.iter().map(|(key, value)| format!("--{key} {value}")).collect();
        format!("{} {}", location.status.word(), choices.join(" ")).trim_end().to_owned()
    }

    #[test]
    fn what_locations_are_for() {
        for (location, expected) in [
            ("location /static/ { alias /srv/static/; }", "kept --static /static=/srv/static"),
            ("location /static { alias /srv/static; }", "kept --static /static=/srv/static"),
            ("location /static/ { root /srv; }", "kept --static /static=/srv/static"),
            ("root /srv; location /static/ { expires 1d; }", "kept --static /static=/srv/static"),
            ("location ^~ /assets/ { root /srv; }", "kept --static /assets=/srv/assets"),
            ("location /media/ { alias /srv/media/; }", "kept --media /media=/srv/media"),
            ("location /thumbs/ { root /srv/media; }", "kept --media /thumbs=/srv/media/thumbs"),
            ("location /protected/ { internal; alias /srv/p/; }", "kept --accel /protected=/srv/p"),
            (
                "location ~ ^/(static|media)/ { root /srv; }",
                "kept --static /static=/srv/static --media /media=/srv/media",
            ),
            ("root /srv; location / { try_files $uri @app; }", "kept --static-root /srv"),
            ("root /srv; location / { try_files $uri $uri/ /index.html; }", "kept --static-root /srv --spa true"),
            ("location = /healthz { return 200 'ok'; }", "kept --health-path /healthz"),
            ("location = /favicon.ico { access_log off; }", "not needed"),
            ("location = /favicon.ico { alias /srv/static/favicon.ico; }", "dropped"),
            (r"location ~ /\.(?!well-known) { deny all; }", "not needed"),
            (r"location ~* \.(js|css)$ { expires 1y; }", "not needed"),
            ("location / { proxy_pass http://app; }", "not needed"),
            ("location @app { proxy_pass http://unix:/run/app.sock; }", "not needed"),
            ("location /shop/ { proxy_pass http://app/; }", "kept --root-path /shop"),
            ("location /ws/ { proxy_pass http://chat:9000; } location / { proxy_pass http://app; }", "dropped"),
            ("location /old { return 301 /new; }", "dropped"),
            ("location /v2/ { proxy_pass http://app/api/v2/; }", "dropped"),
            ("location ~ ^/u/(.*)$ { proxy_pass http://app/user/$1; }", "dropped"),
            ("location / { proxy_pass http://app/sub/; }", "dropped"),
            ("location /api/ { proxy_pass http://app/; } location / { proxy_pass http://app; }", "dropped"),
            ("location /api/ { proxy_pass http://app/api/; }", "not needed"),
            ("location / { proxy_pass http://app/; }", "not needed"),
            ("location / { proxy_pass http://unix:/run/app.sock:/; }", "not needed"),
            // Files that not everybody might see.
            ("location /b/ { allow 10.0.0.0/8; deny all; alias /srv/b/; }", "dropped"),
            ("allow 10.0.0.0/8; deny all; location /static/ { alias /s/; }", "dropped"),
            ("location /b/ { auth_basic x; alias /srv/b/; }", "dropped"),
            ("location /media/ { auth_request /ask; alias /srv/media/; }", "dropped"),
            ("auth_basic x; location /static/ { auth_basic off; alias /s/; }", "kept --static /static=/s"),
            ("auth_basic x; root /srv; location / { try_files $uri @app; }", "dropped"),
            ("location ~ ^/(invoices)/ { internal; root /srv; }", "kept --accel /invoices=/srv/invoices"),
            ("location ~ ^/(invoices)/ { auth_request /ask; root /srv; }", "dropped"),
            ("location ~ ^/p/(.*)$ { internal; alias /srv/p/$1; }", "kept --accel /p=/srv/p"),
            ("location /media/ { alias /m/; } location /media/own/ { internal; alias /m/own/; }", "dropped"),
            ("location /media/ { alias /m/; } location ~ ^/media/own/ { deny all; }", "dropped"),
            ("location /media/ { alias /m/; } location /media/own/ { proxy_pass http://app; }", "dropped"),
            ("location /static/ { alias /m/; } location /media/own/ { deny all; }", "kept --static /static=/m"),
            ("root /srv; location / { try_files $uri @app; } location /own/ { internal; }", "dropped"),
        ] {
            assert_eq!(gist(&format!("server {{ {location} }}")), expected, "{location}");
        }
    }
}
