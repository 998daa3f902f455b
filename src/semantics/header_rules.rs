//! Rules that set headers by path, in the form of the `_headers` files of Netlify and Cloudflare Pages.
//!
//! Read at start by `static_files`, which decides what a bad line means. A block is a path pattern and, below it, headers
//! to set (`Name: value`) and to remove (`! Name`). All rules that match a path apply, in the order of the file. Pure.

use std::collections::HashSet;

use http::header::{
    ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, ALLOW, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue,
    VARY,
};

use super::path_pattern::PathPattern;
use super::printable::printable;
use super::response_fields::{is_decision, is_of_representation, is_single, reserved};

/// Longest value in bytes: no client or proxy takes a longer one.
const LONGEST: usize = 8 << 10;

/// Most names of headers in a file; clients and proxies take about as many headers of an answer.
const MOST_NAMES: usize = 100;

/// Characters of a line that a message repeats.
const SHOWN: usize = 40;

/// Which methods a file answers, once it answers other origins.
const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, OPTIONS");

/// The rules of a file.
#[derive(Clone, Debug, Default)]
pub struct HeaderRules {
    rules: Vec<Rule>,
}

/// A line that cannot be followed.
#[derive(Debug, PartialEq, Eq)]
pub struct BadLine {
    /// Counted from 1.
    pub number: usize,
    /// What is wrong with it, and what to do.
    pub what: String,
}

/// What rules do to the headers of one answer.
#[derive(Debug, Default)]
pub struct HeaderChanges {
    /// The value a field gets, or that it is not sent.
    fields: Vec<(HeaderName, Option<HeaderValue>)>,
}

#[derive(Clone, Debug)]
struct Rule {
    pattern: PathPattern,
    removed: Vec<HeaderName>,
    set: Vec<(HeaderName, HeaderValue)>,
}

/// Reads the lines of a file.
#[derive(Default)]
struct Reader {
    rules: Vec<Rule>,
    bad: Vec<BadLine>,
    block: Block,
    names: HashSet<HeaderName>,
}

/// Where the reader is.
#[derive(Default)]
enum Block {
    /// Before the first path.
    #[default]
    None,
    /// Below a path that cannot be followed: nothing there may fall to the path above it.
    Skipped,
    /// Below this path.
    Open { rule: Rule, number: usize, had_bad: bool },
}

impl HeaderRules {
    /// Reads rules, and leaves out the lines that cannot be followed. Headers below a path that cannot be are left out
    /// with it, and told of in one message.
    #[must_use]
    pub fn parse(text: &str) -> (Self, Vec<BadLine>) {
        let mut reader = Reader::default();
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        for (number, line) in (1..).zip(text.split('\n')) {
            let line = line.strip_suffix('\r').unwrap_or(line).trim_matches([' ', '\t']);
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let followed = if is_path(line) { reader.path(number, line) } else { reader.header(line) };
            if let Err(what) = followed {
                reader.bad.push(BadLine { number, what });
            }
        }
        reader.close();
        (Self { rules: reader.rules }, reader.bad)
    }

    /// How many paths have headers.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// Whether there is no rule.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// What the rules do to a file that is found at these decoded paths: a rule for one of them is for the file.
    #[must_use]
    pub fn at(&self, paths: &[&str]) -> HeaderChanges {
        let mut changes = HeaderChanges::default();
        for rule in self.rules.iter().filter(|rule| paths.iter().any(|path| rule.pattern.matches(path))) {
            // Whatever the order of lines: a rule that removes and sets a field replaces it.
            for name in &rule.removed {
                *changes.field(name) = None;
            }
            for (name, value) in &rule.set {
                let replaces = is_single(name) || is_decision(name);
                let field = changes.field(name);
                *field = Some(match field {
                    Some(earlier) if !replaces => joined(earlier, value),
                    _ => value.clone(),
                });
            }
        }
        changes
    }
}

impl Reader {
    fn path(&mut self, number: usize, line: &str) -> Result<(), String> {
        self.close();
        self.block = Block::Skipped;
        let pattern = PathPattern::parse(line).map_err(|error| format!("`{}`: {error}", shown(line)))?;
        self.block = Block::Open { rule: Rule { pattern, removed: vec![], set: vec![] }, number, had_bad: false };
        Ok(())
    }

    fn header(&mut self, line: &str) -> Result<(), String> {
        match &mut self.block {
            Block::Open { rule, had_bad, .. } => {
                let added = rule.add(line, &mut self.names);
                *had_bad |= added.is_err();
                added
            }
            Block::Skipped => Ok(()),
            Block::None => {
                self.block = Block::Skipped;
                let line = shown(line.split(':').next().unwrap_or_default());
                Err(format!(
                    "`{line}` stands before any path: write the path that it is for above it, such as `/assets/*`"
                ))
            }
        }
    }

    /// Ends a block.
    fn close(&mut self) {
        let Block::Open { rule, number, had_bad } = std::mem::take(&mut self.block) else { return };
        if !rule.removed.is_empty() || !rule.set.is_empty() {
            self.rules.push(rule);
        } else if !had_bad {
            let what = "no header follows this path: write at least one below it, as each path has its own".to_owned();
            self.bad.push(BadLine { number, what });
        }
    }
}

impl Rule {
    /// Adds a line below the path.
    fn add(&mut self, line: &str, names: &mut HashSet<HeaderName>) -> Result<(), String> {
        if let Some(name) = line.strip_prefix('!') {
            let name = header_name(name, names)?;
            if name == CONTENT_TYPE {
                return Err("every file has a `Content-Type`: write the one it is to have".to_owned());
            }
            self.removed.push(name);
            return Ok(());
        }
        let Some((name, value)) = line.split_once(':') else {
            let line = shown(line);
            return Err(format!("`{line}` is neither `Name: value` nor a path, which begins with `/`"));
        };
        let (name, value) = (header_name(name, names)?, value.trim_matches([' ', '\t']));
        if value.is_empty() {
            return Err(format!("`{name}` has no value: write one, or `! {name}` to send no such header"));
        }
        if let Some(wildcard) = self.pattern.referred_to(value) {
            return Err(format!(
                "`:{wildcard}` in a value is not replaced by what it stands for in the path: write the value of `{name}` out"
            ));
        }
        // RFC 9110 §5.5: no CR, LF or NUL; and beyond ASCII nobody knows the encoding.
        let parsed = Some(value).filter(|value| value.is_ascii()).and_then(|value| HeaderValue::from_str(value).ok());
        let Some(mut value) = parsed else {
            return Err(format!("the value of `{name}` has characters other than visible ASCII: remove them"));
        };
        let at = self.set.iter().position(|(known, _)| *known == name);
        if let Some(at) = at.filter(|_| !is_single(&name)) {
            value = joined(&self.set[at].1, &value);
        }
        if value.len() > LONGEST {
            return Err(format!(
                "the value of `{name}` has more than {LONGEST} bytes, which no client takes: shorten it"
            ));
        }
        match at {
            Some(at) => self.set[at].1 = value,
            None => self.set.push((name, value)),
        }
        Ok(())
    }
}

impl HeaderChanges {
    /// Whether nothing changes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// The value that a field gets.
    #[must_use]
    pub fn value(&self, name: &HeaderName) -> Option<&HeaderValue> {
        self.fields.iter().find(|(known, _)| known == name)?.1.as_ref()
    }

    /// Changes the headers of a 200 or 206.
    pub fn apply(&self, headers: &mut HeaderMap) {
        self.apply_where(headers, |_| true);
    }

    /// Changes the headers of a 304, which does not tell what the client has.
    pub fn apply_to_not_modified(&self, headers: &mut HeaderMap) {
        self.apply_where(headers, |name| !is_of_representation(name));
    }

    /// The headers that answer OPTIONS, where the rules open the file to another origin. The preflight request of the Fetch
    /// Standard asks for `Access-Control-*`; RFC 9110 §9.3.7 asks for `Allow`.
    #[must_use]
    pub fn preflight(&self) -> Option<HeaderMap> {
        self.value(&ACCESS_CONTROL_ALLOW_ORIGIN)?;
        let mut headers = HeaderMap::with_capacity(4);
        headers.insert(ALLOW, METHODS);
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, HEAD"));
        self.apply_where(&mut headers, |name| name.as_str().starts_with("access-control-"));
        Some(headers)
    }

    fn apply_where(&self, headers: &mut HeaderMap, applies: impl Fn(&HeaderName) -> bool) {
        for (name, value) in self.fields.iter().filter(|(name, _)| applies(name)) {
            match value {
                Some(value) if *name == VARY => {
                    let merged = headers.get(VARY).map_or_else(|| value.clone(), |ours| merged(ours, value));
                    headers.insert(VARY, merged);
                }
                Some(value) => drop(headers.insert(name, value.clone())),
                // RFC 9110 §12.5.5: without ours a cache hands one client's coding to another.
                None if *name == VARY => {}
                None => drop(headers.remove(name)),
            }
        }
    }

    fn field(&mut self, name: &HeaderName) -> &mut Option<HeaderValue> {
        let at = self.fields.iter().position(|(known, _)| known == name).unwrap_or_else(|| {
            self.fields.push((name.clone(), None));
            self.fields.len() - 1
        });
        &mut self.fields[at].1
    }
}

/// Whether a line is meant for a path: also `https://…`, which would pass for a header of that name.
fn is_path(line: &str) -> bool {
    line.starts_with('/')
        || line.split_once(':').is_some_and(|(scheme, rest)| !scheme.is_empty() && rest.starts_with("//"))
}

fn header_name(name: &str, names: &mut HashSet<HeaderName>) -> Result<HeaderName, String> {
    let name = name.trim_matches([' ', '\t']);
    let parsed = HeaderName::from_bytes(name.as_bytes()).map_err(|_| {
        let name = shown(name);
        format!("`{name}` is no name of a header, which has letters, digits and dashes; a path begins with `/`")
    })?;
    if let Some(why) = reserved(&parsed) {
        return Err(format!("`{name}` {why}: remove this line"));
    }
    if names.len() >= MOST_NAMES && !names.contains(&parsed) {
        return Err(format!("`{name}` is one too many: a file may name {MOST_NAMES} headers"));
    }
    names.insert(parsed.clone());
    Ok(parsed)
}

/// The beginning of somebody's text, fit for a message.
fn shown(text: &str) -> String {
    let cut = text.char_indices().nth(SHOWN).map_or(text, |(end, _)| &text[..end]);
    let dots = if cut.len() < text.len() { "…" } else { "" };
    format!("{}{dots}", printable(cut))
}

/// RFC 9110 §5.3: two values of a list are one, joined by a comma.
fn joined(first: &HeaderValue, second: &HeaderValue) -> HeaderValue {
    let both = HeaderValue::from_bytes(&[first.as_bytes(), b", ", second.as_bytes()].concat());
    // Two values and a comma are always one.
    both.unwrap_or_else(|_| second.clone())
}

/// `Vary` of the server and of the rules.
fn merged(ours: &HeaderValue, theirs: &HeaderValue) -> HeaderValue {
    let known = |name: &str| {
        let has = |value: &str| {
            value.split(',').any(|word| matches!(word.trim(), "*") || word.trim().eq_ignore_ascii_case(name))
        };
        theirs.to_str().is_ok_and(has)
    };
    let covered = ours.to_str().is_ok_and(|ours| ours.split(',').all(|name| known(name.trim())));
    if covered { theirs.clone() } else { joined(ours, theirs) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::{CACHE_CONTROL, X_CONTENT_TYPE_OPTIONS};
    use proptest::prelude::*;

    fn rules(text: &str) -> HeaderRules {
        let (rules, bad) = HeaderRules::parse(text);
        assert_eq!(bad, []);
        rules
    }

    fn bad(text: &str) -> Vec<(usize, String)> {
        HeaderRules::parse(text).1.into_iter().map(|bad| (bad.number, bad.what)).collect()
    }

    /// What becomes of a file's headers, as `name: value` in order.
    fn outcome(changes: &HeaderChanges) -> Vec<String> {
        let mut headers = HeaderMap::from_iter([
            (CACHE_CONTROL, HeaderValue::from_static("ours")),
            (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
            (VARY, HeaderValue::from_static("Accept-Encoding")),
        ]);
        changes.apply(&mut headers);
        let mut lines: Vec<_> =
            headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
        lines.sort_unstable();
        lines
    }

    #[test]
    fn all_rules_that_match_apply_in_order() {
        let rules = rules(
            "\u{feff}# a comment\r\n/*\r\n  X-Robots-Tag: nosnippet\r\n\tX-Frame-Options: DENY\r\n  Cache-Control: public\r\n\
             # another\r\n  cache-control: max-age=1\r\n\r\n/a/:b\nx-robots-tag : noindex  \nX-Frame-Options:SAMEORIGIN\n\
             Cache-Control: no-cache\n/never\n  X-Never: 1\n",
        );
        assert_eq!(rules.len(), 3);
        let (vary, nosniff) = ("vary: Accept-Encoding", "x-content-type-options: nosniff");
        assert_eq!(
            outcome(&rules.at(&["/x"])),
            ["cache-control: public, max-age=1", vary, nosniff, "x-frame-options: DENY", "x-robots-tag: nosnippet"]
        );
        assert_eq!(
            outcome(&rules.at(&["/a/x"])),
            [
                "cache-control: no-cache",
                vary,
                nosniff,
                "x-frame-options: SAMEORIGIN",
                "x-robots-tag: nosnippet, noindex"
            ]
        );
        assert!(rules.at(&["elsewhere"]).is_empty() && rules.at(&[]).is_empty());
    }

    #[test]
    fn a_rule_for_one_path_of_a_file_is_for_the_file_once() {
        let rules = rules("/a/\n  X-A: 1\n/a/*\n  X-A: 2\n");
        assert_eq!(rules.at(&["/a/index.html", "/a/"]).value(&HeaderName::from_static("x-a")).unwrap(), "1, 2");
    }

    #[test]
    fn a_header_is_removed_until_a_later_rule_sets_it() {
        let rules = rules(
            "/*\n  X-A: 1\n/b*\n ! X-A\n  !cache-control\n ! X-Content-Type-Options\n ! X-Unknown\n! Vary\n/bc*\n X-A: 2\n\
             /bcd*\n X-A: 3\n ! X-A\n",
        );
        let rest = ["cache-control: ours", "vary: Accept-Encoding", "x-a: 1", "x-content-type-options: nosniff"];
        assert_eq!(outcome(&rules.at(&["/x"])), rest);
        assert_eq!(outcome(&rules.at(&["/b"])), ["vary: Accept-Encoding"]);
        assert_eq!(outcome(&rules.at(&["/bc"])), ["vary: Accept-Encoding", "x-a: 2"]);
        assert_eq!(outcome(&rules.at(&["/bcd"])), ["vary: Accept-Encoding", "x-a: 3"]);
    }

    #[test]
    fn vary_is_merged() {
        for (given, expected) in [
            ("Origin", "vary: Accept-Encoding, Origin"),
            ("Origin, accept-encoding", "vary: Origin, accept-encoding"),
            ("*", "vary: *"),
        ] {
            assert!(
                outcome(&rules(&format!("/*\n Vary: {given}")).at(&["/"])).contains(&expected.to_owned()),
                "{given}"
            );
        }
        let mut headers = HeaderMap::new();
        rules("/*\n Vary: Origin").at(&["/"]).apply(&mut headers);
        assert_eq!(headers[VARY], "Origin");
    }

    #[test]
    fn a_304_tells_what_guides_caches_and_browsers() {
        let text = "/*\n Content-Type: text/x\n Content-Language: de\n Cache-Control: no-cache\n Vary: Origin\n Expires: 0\n \
                    Content-Security-Policy: default-src 'self'\n Access-Control-Allow-Origin: *\n ! X-Frame-Options\n";
        let mut headers = HeaderMap::new();
        rules(text).at(&["/"]).apply_to_not_modified(&mut headers);
        let mut names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(
            names,
            ["access-control-allow-origin", "cache-control", "content-security-policy", "expires", "vary"]
        );
    }

    #[test]
    fn a_preflight_is_answered_where_another_origin_is_let_in() {
        assert!(rules("/*\n Access-Control-Allow-Headers: X-A").at(&["/"]).preflight().is_none());
        assert!(rules("/*\n ! Access-Control-Allow-Origin").at(&["/"]).preflight().is_none());
        let text = "/*\n Access-Control-Allow-Origin: https://a.example\n Access-Control-Allow-Headers: X-A\n X-B: 1\n";
        let headers = rules(text).at(&["/"]).preflight().unwrap();
        assert_eq!(headers["allow"], "GET, HEAD, OPTIONS");
        assert_eq!(headers["access-control-allow-methods"], "GET, HEAD");
        assert_eq!(headers["access-control-allow-origin"], "https://a.example");
        assert_eq!((headers["access-control-allow-headers"].to_str().unwrap(), headers.len()), ("X-A", 4));
        let text = format!("{text} Access-Control-Allow-Methods: GET\n");
        assert_eq!(rules(&text).at(&["/"]).preflight().unwrap()["access-control-allow-methods"], "GET");
    }

    #[test]
    fn a_bad_line_is_told_by_its_number() {
        for (text, number, part) in [
            ("X-A: 1\n", 1, "stands before any path"),
            ("# x\n\n/a\n  X-A 1\n", 4, "`X-A 1` is neither"),
            ("/a\n  X-A:\n", 2, "no value"),
            ("/a\n  X A: 1\n", 2, "`X A` is no name"),
            ("/a\n  : 1\n", 2, "is no name"),
            ("/a\n  X-A: b\rc\n", 2, "visible ASCII"),
            ("/a\n  X-A: b\0c\n", 2, "visible ASCII"),
            ("/a\n  X-A: \u{e9}\n", 2, "visible ASCII"),
            ("/a\n  X\r-A: b\n", 2, "`X\\r-A` is no name"),
            ("/a\n  X-A: 1\nassets/*\n", 3, "`assets/*` is neither"),
            ("/a\n  X-A: 1\nassets/:name\n", 3, "`assets/` is no name"),
            ("/a\n  !\n", 2, "is no name"),
            ("/a\n  ! X-A: 1\n", 2, "`X-A: 1` is no name"),
            ("/a\n  ! Content-Type\n", 2, "every file has"),
            ("/a\n/b\n  X-A: 1\n", 1, "no header follows"),
            ("/b\n  X-A: 1\n/a", 3, "no header follows"),
            ("https://example.com/*\n  X-A: 1\n", 1, "write the path alone"),
            ("/a b\n  X-A: 1\n", 1, "%20"),
            ("/:name\n  X-A: for :name\n", 2, "`:name` in a value"),
            ("/*\n  Link: </:splat>\n", 2, "`:splat` in a value"),
            ("/a\n  Basic-Auth: a:b\n", 2, "`Basic-Auth` is how Netlify"),
        ] {
            let found = bad(text);
            assert_eq!(found.len(), 1, "{text:?}: {found:?}");
            assert!(found[0].0 == number && found[0].1.contains(part), "{text:?}: {found:?}");
        }
        for name in
            "Content-Length content-encoding Content-Range Transfer-Encoding Connection Keep-Alive ETag Last-Modified \
                     Accept-Ranges Date Set-Cookie Upgrade Trailer TE"
                .split_whitespace()
        {
            for line in [format!("{name}: x"), format!("! {name}")] {
                let found = bad(&format!("/a\n{line}\n"));
                assert!(found.len() == 1 && found[0].1.starts_with(&format!("`{name}` ")), "{line}: {found:?}");
            }
        }
    }

    #[test]
    fn a_message_repeats_neither_values_nor_controls() {
        let found = bad(&format!("/a\n Basic-Auth: me:secret\n X-A: secret\u{1b}\n {}secret\n", "\u{1b}".repeat(50)));
        assert_eq!(found.len(), 3);
        for (_, what) in found {
            assert!(!what.contains("secret") && !what.contains('\u{1b}'), "{what}");
        }
    }

    #[test]
    fn what_is_below_a_bad_path_falls_to_nobody() {
        let (rules, bad) = HeaderRules::parse("/a\n X-A: 1\n/b c\n X-B: 1\n X B\n/d\n X-D: 1\n X-E\n");
        assert_eq!(bad.iter().map(|bad| bad.number).collect::<Vec<_>>(), [3, 8]);
        assert_eq!(rules.at(&["/a"]).fields.len(), 1);
        assert_eq!(rules.at(&["/d"]).fields.len(), 1);
    }

    #[test]
    fn what_no_client_takes_is_refused() {
        let long = "a".repeat(LONGEST);
        assert_eq!(bad(&format!("/a\n X-A: {long}\n")), []);
        assert_eq!(bad(&format!("/a\n X-A: {long}b\n"))[0].0, 2);
        assert_eq!(bad(&format!("/a\n X-A: b\n X-A: {long}\n"))[0].0, 3);
        let names: Vec<_> = (0..=MOST_NAMES).map(|n| format!("/{n}\n X-{n}: 1\n ! X-{n}\n")).collect();
        assert_eq!(bad(&names.concat())[0].0, 3 * MOST_NAMES + 2);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(
            text in "((/[a*:]{0,3}|!? ?[A-Za-z-]{1,8}|:|[ \t\r#]|\\PC{0,9}|\0)?(\n|\r\n|: ?)?){0,12}",
            path in "/?[a/]{0,5}",
        ) {
            let (rules, bad) = HeaderRules::parse(&text);
            let mut headers = HeaderMap::new();
            let changes = rules.at(&[&path]);
            changes.apply(&mut headers);
            changes.apply_to_not_modified(&mut headers);
            let _ = changes.preflight();
            prop_assert!(headers.keys().all(|name| reserved(name).is_none()));
            let lines = text.split('\n').count();
            prop_assert!(bad.iter().all(|bad| (1..=lines).contains(&bad.number)));
        }
    }
}
