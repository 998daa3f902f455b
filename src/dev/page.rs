//! What a failure looks like: a page for browsers, plain text for everybody else.
//!
//! Pure. All that is not ours is escaped; the page has no assets, and its one script only waits for the end of the failure.

use std::fmt::Write;
use std::path::Path;

use crate::python::failure::{Failure, Frame, Raised};

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// A failure to be shown.
pub struct Page<'a> {
    pub failure: &'a Failure,
    /// What names it.
    pub id: &'a str,
    /// Files below are named relative to it.
    pub root: &'a Path,
}

impl Page<'_> {
    /// For a browser that asked by `method`; style and script carry `nonce`.
    #[must_use]
    pub fn html(&self, method: &str, nonce: &str) -> String {
        let mut out = String::new();
        let (kind, message) = self.title();
        let title = if message.is_empty() { kind } else { message };
        let _ = write!(
            out,
            "<!DOCTYPE html>\n<html lang=\"en\" data-failure=\"{}\" data-method=\"{}\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"robots\" content=\"noindex\">\n\
             <title>{}</title>\n<link rel=\"icon\" href=\"data:,\">\n<style nonce=\"{nonce}\">\n{STYLE}</style>\n</head>\n\
             <body>\n<main>\n<header>\n",
            Escaped(self.id),
            Escaped(method),
            Escaped(title.lines().next().unwrap_or_default()),
        );
        if !message.is_empty() {
            let _ = writeln!(out, "<p class=\"kind\">{}</p>", Escaped(kind));
        }
        let _ = writeln!(out, "<h1>{}</h1>", Escaped(title));
        if let Some(frame) = self.place() {
            let _ = writeln!(out, "<p class=\"where\">{}</p>", Escaped(&self.position(frame)));
        }
        if self.failure.exceptions.is_empty() {
            out.push_str("<p>What it wrote is in the terminal.</p>\n");
        }
        out.push_str("</header>\n");
        for (at, raised) in self.failure.exceptions.iter().enumerate() {
            self.raised(&mut out, raised, at + 1 == self.failure.exceptions.len());
        }
        if !self.failure.text.is_empty() {
            let _ = write!(
                out,
                "<h2>As text</h2>\n<details class=\"frame\">\n<summary><span class=\"function\">The whole traceback, to copy</span></summary>\n\
                 <pre class=\"text\" tabindex=\"0\">{}</pre>\n</details>\n",
                Escaped(&self.failure.text)
            );
        }
        let _ = write!(
            out,
            "<footer><span class=\"dot\"></span><span>This page reloads by itself once the file is mended.</span></footer>\n\
             </main>\n<script nonce=\"{nonce}\">\n{SCRIPT}</script>\n</body>\n</html>\n"
        );
        out
    }

    /// For those who read no pages.
    #[must_use]
    pub fn text(&self) -> String {
        let Failure { sentence, text, .. } = self.failure;
        let waits = "monopod dev is waiting for a change.";
        if text.is_empty() { format!("{sentence}\n\n{waits}\n") } else { format!("{text}\n{waits}\n") }
    }

    fn title(&self) -> (&str, &str) {
        match self.failure.exceptions.last() {
            Some(raised) => (&raised.kind, &raised.message),
            None => (&self.failure.sentence, ""),
        }
    }

    /// The innermost place in the project; else the innermost.
    fn place(&self) -> Option<&Frame> {
        let frames = &self.failure.exceptions.last()?.frames;
        frames.iter().rev().find(|frame| self.is_own(frame)).or_else(|| frames.last())
    }

    fn raised(&self, out: &mut String, raised: &Raised, is_last: bool) {
        if !is_last {
            let message = if raised.message.is_empty() { String::new() } else { format!(": {}", raised.message) };
            let _ = writeln!(out, "<h2>{}{}</h2>", Escaped(&raised.kind), Escaped(&message));
        } else if self.failure.exceptions.len() > 1 {
            let _ = writeln!(out, "<h2>{}</h2>", Escaped(&raised.kind));
        } else {
            out.push_str("<h2>Traceback (most recent call last)</h2>\n");
        }
        let has_own = raised.frames.iter().any(|frame| self.is_own(frame));
        for (at, frame) in raised.frames.iter().enumerate() {
            let is_end = at + 1 == raised.frames.len();
            self.frame(out, frame, is_last && (is_end || self.is_own(frame)) || !has_own && is_end);
        }
        if !raised.leads.is_empty() {
            let _ = writeln!(out, "<p class=\"leads\">This {}:</p>", Escaped(&raised.leads));
        }
    }

    fn frame(&self, out: &mut String, frame: &Frame, is_open: bool) {
        let open = if is_open { " open" } else { "" };
        let class = if self.is_own(frame) { "frame" } else { "frame library" };
        let _ = write!(
            out,
            "<details class=\"{class}\"{open}>\n<summary><span class=\"file\">{}</span>",
            Escaped(&self.position(frame))
        );
        if !frame.function.is_empty() {
            let _ = write!(out, "<span class=\"function\">in {}</span>", Escaped(&frame.function));
        }
        out.push_str("</summary>\n");
        if !frame.source.is_empty() {
            out.push_str("<pre tabindex=\"0\"><code>");
            for (number, line) in &frame.source {
                let is_here = *number == frame.line;
                let class = if is_here { "l here" } else { "l" };
                let _ = write!(out, "<span class=\"{class}\"><span class=\"n\">{number}</span>");
                match frame.mark.filter(|_| is_here).and_then(|mark| split(line, mark)) {
                    Some([before, marked, behind]) => {
                        let _ = write!(out, "{}<mark>{}</mark>{}", Escaped(before), Escaped(marked), Escaped(behind));
                    }
                    None => {
                        let _ = write!(out, "{}", Escaped(line));
                    }
                }
                // Kept when it is copied.
                out.push_str("\n</span>");
            }
            out.push_str("</code></pre>\n");
        }
        out.push_str("</details>\n");
    }

    fn is_own(&self, frame: &Frame) -> bool {
        let inside = Path::new(&frame.file).strip_prefix(self.root);
        inside.is_ok_and(|path| !path.iter().any(|part| part == "site-packages" || part == "dist-packages"))
    }

    fn position(&self, frame: &Frame) -> String {
        let path = Path::new(&frame.file);
        let shown = path.strip_prefix(self.root).unwrap_or(path);
        format!("{}, line {}", shown.display(), frame.line)
    }
}

/// The line before, inside and behind the mark; where that is the line's end, a space is marked.
fn split(line: &str, (from, to): (usize, usize)) -> Option<[&str; 3]> {
    let at = |count: usize| line.char_indices().nth(count).map_or(line.len(), |(at, _)| at);
    let (from, to) = (at(from), at(to));
    match line.get(from..to) {
        Some("") if from == line.len() => Some([line, " ", ""]),
        Some("") | None => None,
        Some(marked) => Some([&line[..from], marked, &line[to..]]),
    }
}

/// Text as HTML, in elements and in attributes in double quotes.
struct Escaped<'a>(&'a str);

impl std::fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                // Neither is a character of HTML, and the latter turn the order of what is read around.
                '\0'..='\x08'
                | '\x0b'
                | '\x0c'
                | '\x0e'..='\x1f'
                | '\x7f'
                | '\u{202a}'..='\u{202e}'
                | '\u{2066}'..='\u{2069}' => {
                    f.write_char('\u{fffd}')?;
                }
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure() -> Failure {
        let frame = |file: &str, line, text: &str, mark| Frame {
            file: file.into(),
            line,
            function: "<module>".into(),
            source: vec![(line - 1, "before".into()), (line, text.into())],
            mark,
        };
        let frames = vec![
            frame("/venv/lib/site-packages/flask/app.py", 9, "run()", None),
            frame("/work/shop/app.py", 3, "x = <script>alert('1')</script>", Some((4, 12))),
        ];
        let raised =
            Raised { kind: "ValueError".into(), message: "<b>\"no\"</b>".into(), leads: String::new(), frames };
        Failure { sentence: "mend it".into(), text: "Traceback: <i>".into(), exceptions: vec![raised] }
    }

    #[test]
    fn nothing_of_the_application_is_markup() {
        let failure = failure();
        let page = Page { failure: &failure, id: "7-1", root: Path::new("/work/shop") };
        let html = page.html("GET", "n0");
        for raw in ["<b>", "<i>", "<script>alert", "\"no\""] {
            assert!(!html.contains(raw), "{raw} in {html}");
        }
        assert!(html.contains("<h1>&lt;b&gt;&quot;no&quot;&lt;/b&gt;</h1>"), "{html}");
        assert!(html.contains("x = <mark>&lt;script&gt;</mark>alert(&#39;1&#39;)"), "{html}");
        assert!(html.contains("<p class=\"where\">app.py, line 3</p>"), "{html}");
        assert!(html.contains("data-failure=\"7-1\" data-method=\"GET\""), "{html}");
        assert_eq!(html.matches("nonce=\"n0\"").count(), 2);
        assert_eq!(html.matches("<details class=\"frame library\">").count(), 1, "closed: {html}");
        assert_eq!(html.matches("<details class=\"frame\" open>").count(), 1, "{html}");
    }

    #[test]
    fn a_mark_is_a_part_of_a_line() {
        assert_eq!(split("f(x", (1, 2)), Some(["f", "(", "x"]));
        assert_eq!(split("é(x", (1, 2)), Some(["é", "(", "x"]));
        assert_eq!(split("f(x", (3, 4)), Some(["f(x", " ", ""]));
        assert_eq!(split("f(x", (1, 9)), Some(["f", "(x", ""]));
        assert_eq!(split("f(x", (1, 1)), None);
    }

    #[test]
    fn as_text_it_is_what_python_prints() {
        let mut failure = failure();
        let root = Path::new("/");
        assert!(Page { failure: &failure, id: "", root }.text().starts_with("Traceback: <i>\n"));
        failure.text.clear();
        assert!(Page { failure: &failure, id: "", root }.text().starts_with("mend it\n"));
    }
}
