//! nginx's grammar: words, quotes, `;`, blocks and comments, and nothing of what they mean.
//!
//! As nginx's own reader has it (ngx_conf_read_token), and a little more: the marks of templates (`{{ name }}`,
//! `{% if %}`) are passed over, as configurations often come as such. Takes any text; never recurses by what it reads.

use crate::explain::setting::Place;

/// How deep blocks may lie in one another.
const DEPTH: usize = 32;

/// A directive with its arguments and, where it has one, its block.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Directive {
    pub name: String,
    pub arguments: Vec<String>,
    pub block: Option<Vec<Directive>>,
    pub place: Place,
}

impl Directive {
    /// The first argument, or nothing.
    #[must_use]
    pub fn first(&self) -> &str {
        self.arguments.first().map_or("", String::as_str)
    }

    /// The directives of its block.
    #[must_use]
    pub fn inner(&self) -> &[Self] {
        self.block.as_deref().unwrap_or_default()
    }

    /// The directives of that name in its block.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.inner().iter().filter(move |inner| inner.name == name)
    }

    /// The last of that name in its block.
    #[must_use]
    pub fn last(&self, name: &str) -> Option<&Self> {
        self.inner().iter().rev().find(|inner| inner.name == name)
    }

    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.last(name).is_some()
    }
}

enum Token {
    Word(String),
    End,
    Open,
    Close,
}

/// Reads `text`, which the operator calls `source`.
///
/// # Errors
/// A sentence with the line at which the braces or quotes do not fit.
pub fn parse(text: &str, source: &str) -> Result<Vec<Directive>, String> {
    let mut reader = Reader { rest: text.trim_start_matches('\u{feff}'), line: 1 };
    let place = |line| Place { source: source.to_owned(), line: Some(line) };
    // Each open block's directive, and what was read before it.
    let mut open: Vec<(Directive, Vec<Directive>)> = Vec::new();
    let mut done: Vec<Directive> = Vec::new();
    let mut words: Vec<String> = Vec::new();
    let mut first = 1;
    let unclosed = |line| format!("{source}:{line}: a quote is not closed");
    while let Some((token, line)) = reader.next().map_err(unclosed)? {
        match token {
            Token::Word(word) => {
                if words.is_empty() {
                    first = line;
                }
                words.push(word);
            }
            Token::End if words.is_empty() => {}
            Token::End => {
                let name = words.remove(0);
                done.push(Directive { name, arguments: std::mem::take(&mut words), block: None, place: place(first) });
            }
            Token::Open if words.is_empty() => {
                return Err(format!("{source}:{line}: a block has no name before its {{"));
            }
            Token::Open => {
                let name = words.remove(0);
                let is_code = name.ends_with("_by_lua_block");
                let mut directive =
                    Directive { name, arguments: std::mem::take(&mut words), block: None, place: place(first) };
                if is_code {
                    reader.skip_code();
                    directive.block = Some(Vec::new());
                    done.push(directive);
                } else if open.len() == DEPTH {
                    return Err(format!("{source}:{line}: blocks lie more than {DEPTH} deep"));
                } else {
                    open.push((directive, std::mem::take(&mut done)));
                }
            }
            Token::Close => {
                if !words.is_empty() {
                    return Err(format!("{source}:{first}: `{}` does not end with a semicolon", words.join(" ")));
                }
                let Some((mut directive, before)) = open.pop() else {
                    return Err(format!("{source}:{line}: there is a }} too many"));
                };
                directive.block = Some(std::mem::replace(&mut done, before));
                done.push(directive);
            }
        }
    }
    if let Some((directive, _)) = open.last() {
        let line = directive.place.line.unwrap_or(0);
        return Err(format!("{source}:{line}: the block of `{}` is not closed", directive.name));
    }
    if words.is_empty() {
        return Ok(done);
    }
    Err(format!("{source}:{first}: `{}` does not end with a semicolon", words.join(" ")))
}

struct Reader<'a> {
    rest: &'a str,
    line: usize,
}

impl Reader<'_> {
    fn take(&mut self) -> Option<char> {
        let c = self.rest.chars().next()?;
        self.rest = &self.rest[c.len_utf8()..];
        self.line += usize::from(c == '\n');
        Some(c)
    }

    fn skip_to(&mut self, mark: &str) {
        let end = self.rest.find(mark).map_or(self.rest.len(), |at| at + mark.len());
        self.line += self.rest[..end].matches('\n').count();
        self.rest = &self.rest[end..];
    }

    /// The next token and its line; the line of a quote that is not closed.
    fn next(&mut self) -> Result<Option<(Token, usize)>, usize> {
        loop {
            if self.rest.starts_with("{%") {
                self.skip_to("%}");
            } else if self.rest.starts_with("{#") {
                self.skip_to("#}");
            } else if self.rest.starts_with('#') {
                self.skip_to("\n");
            } else if self.rest.starts_with(char::is_whitespace) {
                self.take();
            } else {
                break;
            }
        }
        let line = self.line;
        let token = match self.rest.chars().next() {
            None => return Ok(None),
            Some(';') => Token::End,
            Some('{') if !self.rest.starts_with("{{") => Token::Open,
            Some('}') => Token::Close,
            Some(_) => return self.word().map(|word| Some((Token::Word(word), line))),
        };
        self.take();
        Ok(Some((token, line)))
    }

    fn word(&mut self) -> Result<String, usize> {
        let mut word = String::new();
        if let Some(quote) = self.rest.chars().next().filter(|c| matches!(c, '"' | '\'')) {
            let line = self.line;
            self.take();
            loop {
                match self.take() {
                    None => return Err(line),
                    Some(c) if c == quote => return Ok(word),
                    Some('\\') => self.escape(&mut word),
                    Some(c) => word.push(c),
                }
            }
        }
        while let Some(c) = self.rest.chars().next() {
            if self.rest.starts_with("{{") {
                let before = self.rest;
                self.skip_to("}}");
                word.push_str(&before[..before.len() - self.rest.len()]);
                continue;
            }
            if self.rest.starts_with("${") {
                let before = self.rest;
                self.skip_to("}");
                word.push_str(&before[..before.len() - self.rest.len()]);
                continue;
            }
            if c.is_whitespace() || matches!(c, ';' | '{') || c == '}' && word.is_empty() {
                break;
            }
            self.take();
            if c == '\\' { self.escape(&mut word) } else { word.push(c) }
        }
        Ok(word)
    }

    /// What follows a backslash: the mark itself is kept where it means something to a regular expression.
    fn escape(&mut self, word: &mut String) {
        match self.take() {
            Some(c @ ('"' | '\'' | '\\')) => word.push(c),
            Some('n') => word.push('\n'),
            Some('t') => word.push('\t'),
            Some('r') => word.push('\r'),
            Some(c) => word.extend(['\\', c]),
            None => word.push('\\'),
        }
    }

    /// Passes over a block of Lua, whose braces are balanced.
    fn skip_code(&mut self) {
        let mut depth = 1;
        while let Some(c) = self.take() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As one line, blocks in parentheses.
    fn gist(directives: &[Directive]) -> String {
        let one = |directive: &Directive| {
            let words: Vec<_> = std::iter::once(&directive.name).chain(&directive.arguments).cloned().collect();
            let block = directive.block.as_ref().map(|block| format!(" ({})", gist(block))).unwrap_or_default();
            format!("{}{block}", words.join("|"))
        };
        directives.iter().map(one).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn words_quotes_blocks_and_comments() {
        for (text, expected) in [
            ("user nginx;", "user|nginx"),
            ("a 'b c' \"d;{}\"; # e;\nf;", "a|b c|d;{}; f"),
            ("server { listen 80; location / { } }", "server (listen|80; location|/ ())"),
            (r"location ~* \.(js|css)$ { x; }", r"location|~*|\.(js|css)$ (x)"),
            ("listen ${PORT}; alias {{ static_root }};", "listen|${PORT}; alias|{{ static_root }}"),
            ("{% if a %}\na b;\n{% endif %}", "a|b"),
            ("log_format m '$a'\n  \"b\\\"c\";", "log_format|m|$a|b\"c"),
            ("content_by_lua_block { if x then { } end } y;", "content_by_lua_block (); y"),
            (";;;", ""),
            ("", ""),
        ] {
            assert_eq!(gist(&parse(text, "n").unwrap()), expected, "{text}");
        }
        assert_eq!(parse("a;\nb {\n c 1\n  2;}", "n").unwrap()[1].inner()[0].place.line, Some(3));
    }

    #[test]
    fn what_does_not_fit_is_told_with_its_line() {
        for (text, expected) in [
            ("a;\n}", "n:2: there is a } too many"),
            ("a {\n b;", "n:1: the block of `a` is not closed"),
            ("a {\n b\n}", "n:2: `b` does not end with a semicolon"),
            ("a\nb", "n:1: `a b` does not end with a semicolon"),
            ("a \"b", "n:1: a quote is not closed"),
            ("{ }", "n:1: a block has no name before its {"),
        ] {
            assert_eq!(parse(text, "n").unwrap_err(), expected, "{text}");
        }
        assert!(parse(&"a {".repeat(100_000), "n").unwrap_err().contains("more than 32 deep"));
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[a-z{};#'\"\\\\$ \n%]{0,80}", other in ".*") {
            let _ = (parse(&text, "n"), parse(&other, "n"));
        }
    }
}
