//! What a whole nginx configuration is about, before its lines are gone through: which upstream is the application,
//! which servers serve it, and which of several values counts.

use super::guard;
use super::location::{pattern_of, target_of};
use super::parse::Directive;
use crate::config::values::duration;
use crate::explain::rules::nginx_time;
use crate::explain::setting::Place;

/// See the module.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Site {
    /// The name or address that the application's requests go to.
    pub application: Option<String>,
    /// All that servers' requests go to, a server's main one each.
    pub applications: Vec<String>,
    /// How many locations go there.
    pub application_paths: usize,
    /// The proxy_read_timeout that counts.
    pub read_timeout: Option<Place>,
    /// Names of formats that an access_log for all requests uses.
    pub formats: Vec<String>,
    /// Paths of pages for errors.
    pub error_pages: Vec<String>,
    /// What locations begin with that are closed, or go to a program, so that their files are not for everybody; and
    /// whether it is a program.
    pub closed: Vec<(String, bool)>,
    /// Whether a server with the application listens without TLS.
    pub has_plain: bool,
    /// Whether one listens with TLS.
    pub has_tls: bool,
}

impl Site {
    #[must_use]
    pub fn of(tree: &[Directive]) -> Self {
        let mut site = Self::default();
        let mut passes: Vec<(bool, String)> = Vec::new();
        site.gather(tree, &mut passes);
        let main = passes.iter().find(|(is_main, _)| *is_main).or(passes.first());
        site.application = main.map(|(_, upstream)| upstream.clone());
        site.application_paths = passes.iter().filter(|(_, upstream)| site.is_application(upstream)).count();
        let has_main = passes.iter().any(|(is_main, upstream)| *is_main && site.is_application(upstream));
        site.read_timeout = if has_main || site.application_paths == 1 {
            site.timeout_of(tree)
        } else {
            let mut all = Vec::new();
            site.timeouts(tree, &mut all);
            // Of equals the first.
            all.into_iter().rev().max_by_key(|(time, _)| *time).map(|(_, place)| place)
        };
        site
    }

    /// Whether requests to `upstream` are the application's.
    #[must_use]
    pub fn is_application(&self, upstream: &str) -> bool {
        self.application.as_deref() == Some(upstream)
    }

    /// Whether several applications are served, by a server each.
    #[must_use]
    pub fn is_many(&self) -> bool {
        self.applications.len() > 1
    }

    /// A location inside of `url`, but for `own`, that is not for everybody.
    #[must_use]
    pub fn closed_below(&self, url: &str, own: &str) -> Option<&str> {
        let inside = |path: &str| {
            path.strip_prefix(url).is_some_and(|rest| rest.starts_with('/') && rest.len() > 1) && path != own
        };
        // At the site's root are the application's paths, and files beside them.
        let closed = self.closed.iter().filter(|(_, goes_on)| !(url.is_empty() && *goes_on));
        closed.map(|(path, _)| path.as_str()).find(|path| inside(path))
    }

    fn gather(&mut self, directives: &[Directive], passes: &mut Vec<(bool, String)>) {
        for directive in directives {
            match directive.name.as_str() {
                "location" => {
                    let (modifier, path) = pattern_of(directive);
                    let goes_on = directive.inner().iter().any(|inner| inner.name.ends_with("_pass"));
                    if let Some(path) = guard::literal(modifier, path)
                        && (goes_on || guard::is_closed(directive))
                    {
                        self.closed.push((path, goes_on));
                    }
                    for pass in ["proxy_pass", "uwsgi_pass"].iter().filter_map(|name| directive.last(name)) {
                        let path = directive.arguments.last().map_or("", String::as_str);
                        let is_main = path == "/" || path.starts_with('@');
                        passes.push((is_main, target_of(pass.first()).0.to_owned()));
                    }
                }
                "server" if directive.block.is_some() && serves(directive) => {
                    for listen in directive.all("listen") {
                        let is_tls = listen.arguments.iter().any(|word| word == "ssl" || word == "quic")
                            || directive.last("ssl").is_some_and(|ssl| ssl.first() == "on");
                        self.has_tls |= is_tls;
                        self.has_plain |= !is_tls;
                    }
                }
                "error_page" => {
                    let page = directive.arguments.last().filter(|page| page.starts_with('/'));
                    self.error_pages.extend(page.cloned());
                }
                _ => {}
            }
            if matches!(directive.name.as_str(), "http" | "server") {
                let formats = directive.all("access_log").filter_map(|log| log.arguments.get(1));
                self.formats.extend(formats.filter(|name| !name.contains('=')).cloned());
            }
            let before = passes.len();
            self.gather(directive.inner(), passes);
            if directive.name == "server" && directive.block.is_some() {
                let own = &passes[before..];
                let main = own.iter().find(|(is_main, _)| *is_main).or(own.first()).map(|(_, upstream)| upstream);
                let main = main.filter(|upstream| !self.applications.contains(upstream)).cloned();
                self.applications.extend(main);
            }
        }
        // A file of conf.d has them outside of any block.
        let formats = directives.iter().filter(|directive| directive.name == "access_log");
        self.formats.extend(formats.filter_map(|log| log.arguments.get(1)).filter(|name| !name.contains('=')).cloned());
    }

    /// All on the way to the application, in milliseconds.
    fn timeouts(&self, directives: &[Directive], all: &mut Vec<(u128, Place)>) {
        for directive in directives {
            match directive.name.as_str() {
                "http" | "server" => self.timeouts(directive.inner(), all),
                "location" => {
                    let pass = ["proxy_pass", "uwsgi_pass"].iter().find_map(|name| directive.last(name));
                    if pass.is_some_and(|pass| self.is_application(target_of(pass.first()).0)) {
                        self.timeouts(directive.inner(), all);
                    }
                }
                _ if is_timeout(directive) => {
                    let time = nginx_time(directive.first()).and_then(|time| duration(&time).ok());
                    all.extend(time.map(|time| (time.as_millis(), directive.place.clone())));
                }
                _ => {}
            }
        }
    }

    /// The innermost on the way to the application.
    fn timeout_of(&self, directives: &[Directive]) -> Option<Place> {
        let own = directives.iter().rev().find(|directive| is_timeout(directive)).map(|found| found.place.clone());
        let inner = directives.iter().filter(|directive| match directive.name.as_str() {
            "http" | "server" => true,
            "location" => {
                let path = directive.arguments.last().map_or("", String::as_str);
                let pass = ["proxy_pass", "uwsgi_pass"].iter().find_map(|name| directive.last(name));
                let is_ours = pass.is_some_and(|pass| self.is_application(target_of(pass.first()).0));
                is_ours && (path == "/" || path.starts_with('@') || self.application_paths == 1)
            }
            _ => false,
        });
        let inner: Vec<Place> = inner.filter_map(|directive| self.timeout_of(directive.inner())).collect();
        inner.into_iter().next().or(own)
    }
}

fn is_timeout(directive: &Directive) -> bool {
    matches!(directive.name.as_str(), "proxy_read_timeout" | "uwsgi_read_timeout")
}

/// Whether a server does more than to redirect or to refuse.
#[must_use]
pub fn serves(server: &Directive) -> bool {
    let refuses = server.has("return") && !server.has("location");
    let locations: Vec<&Directive> = server.all("location").collect();
    let only_redirects = !locations.is_empty()
        && locations.iter().all(|location| {
            location.has("return") || location.arguments.iter().any(|word| word.contains("acme-challenge"))
        });
    let by_condition = server.all("if").any(|condition| condition.has("return")) && server.last("return").is_some();
    !(refuses || by_condition || only_redirects)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explain::nginx::parse::parse;

    #[test]
    fn the_application_is_what_the_front_page_goes_to() {
        let text = "upstream app { server a:1; } server { listen 80; return 301 https://$host$request_uri; }
            server { listen 443 ssl; proxy_read_timeout 60s;
              location /ws { proxy_pass http://chat; } location /api { proxy_pass http://app; proxy_read_timeout 9; }
              location / { proxy_pass http://app; proxy_read_timeout 300s; } }";
        let site = Site::of(&parse(text, "n").unwrap());
        assert_eq!((site.application.as_deref(), site.application_paths), (Some("app"), 2));
        assert_eq!((site.has_plain, site.has_tls), (false, true));
        assert_eq!(site.read_timeout.as_ref().unwrap().line, Some(4));
        assert!(!site.is_many(), "{:?}", site.applications);
    }

    #[test]
    fn without_a_main_location_the_longest_timeout_counts() {
        let text = "server { location /api/ { proxy_pass http://app; proxy_read_timeout 5m; }\n
            location /admin/ { proxy_pass http://app; proxy_read_timeout 90; } }
            server { location / { proxy_pass http://blog; } }";
        let site = Site::of(&parse(&text.replace("location / ", "location /blog/ "), "n").unwrap());
        assert_eq!(site.read_timeout.as_ref().unwrap().line, Some(1));
        assert_eq!(site.applications, ["app", "blog"]);
    }
}
