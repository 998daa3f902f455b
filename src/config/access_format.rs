//! `--access-logformat`: gunicorn's format of an access line, read once at the start.
//!
//! `%(h)s` and its kin, `%({name}i)s` for a request header, `%({name}o)s` for one of the response, `%({NAME}e)s` for a
//! variable of environ. An atom that is not known is refused, as is a variable that only the application could tell:
//! a line is not to be written half. What the atoms are made of is `telemetry::access`'s business.

use http::{HeaderName, header};

/// A format, in parts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AccessFormat {
    pub parts: Vec<Part>,
    /// Request headers that it needs; atoms name them by their place here.
    pub request_headers: Vec<HeaderName>,
    /// Response headers that it needs.
    pub response_headers: Vec<HeaderName>,
}

/// What stands there as it is, or what stands for something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    Text(String),
    Atom(Atom),
}

/// A thing to tell of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Atom {
    /// `h`: the client's address.
    Client,
    /// `l`: always `-`.
    Nothing,
    /// `u`: the user of basic authentication, by the place of its header.
    User(usize),
    /// `t`: when the request ended, in local time.
    Time,
    /// `r`: the request line.
    RequestLine,
    Method,
    Path,
    Query,
    Protocol,
    Status,
    /// `B`, `b`: bytes of the response's body.
    Bytes,
    /// `T`, `M`, `D`, `L`: how long it took, in whole seconds, milliseconds, microseconds, and seconds with a fraction.
    Seconds,
    Millis,
    Micros,
    DecimalSeconds,
    /// `p`: this process, as `<1>`.
    Process,
    /// `{x-request-id}i`, whoever gave it.
    RequestId,
    RequestHeader(usize),
    ResponseHeader(usize),
    Target,
    Port,
    ServerName,
    ServerPort,
    Scheme,
    Software,
}

/// Reads a format.
///
/// # Errors
/// The second half of a sentence about what is wrong.
pub fn access_format(text: &str) -> Result<AccessFormat, String> {
    let mut format = AccessFormat::default();
    let mut literal = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        literal.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('%') {
            literal.push('%');
            rest = after;
            continue;
        }
        let atom = rest.strip_prefix('(').and_then(|atom| atom.split_once(')'));
        let Some((name, after)) = atom else {
            return Err("wants atoms such as `%(h)s`, and `%%` for a percent sign".to_owned());
        };
        let Some(after) = after.strip_prefix('s') else {
            return Err(format!("wants `%({name})s`, without another conversion than `s`"));
        };
        if !literal.is_empty() {
            format.parts.push(Part::Text(std::mem::take(&mut literal)));
        }
        let atom = format.atom(name)?;
        format.parts.push(Part::Atom(atom));
        rest = after;
    }
    literal.push_str(rest);
    if literal.chars().any(char::is_control) {
        return Err("wants one line without control characters".to_owned());
    }
    if !literal.is_empty() {
        format.parts.push(Part::Text(literal));
    }
    if format.parts.is_empty() {
        return Err(
            "wants a format such as `%(h)s \"%(r)s\" %(s)s`; to have no access log, say --no-access-log".to_owned()
        );
    }
    Ok(format)
}

impl AccessFormat {
    fn atom(&mut self, name: &str) -> Result<Atom, String> {
        Ok(match name {
            "h" => Atom::Client,
            "l" => Atom::Nothing,
            "u" => Atom::User(self.request_header(header::AUTHORIZATION)),
            "t" => Atom::Time,
            "r" => Atom::RequestLine,
            "m" => Atom::Method,
            "U" => Atom::Path,
            "q" => Atom::Query,
            "H" => Atom::Protocol,
            "s" => Atom::Status,
            "B" | "b" => Atom::Bytes,
            "f" => Atom::RequestHeader(self.request_header(header::REFERER)),
            "a" => Atom::RequestHeader(self.request_header(header::USER_AGENT)),
            "T" => Atom::Seconds,
            "M" => Atom::Millis,
            "D" => Atom::Micros,
            "L" => Atom::DecimalSeconds,
            "p" => Atom::Process,
            _ => return self.of_headers(name),
        })
    }

    fn of_headers(&mut self, atom: &str) -> Result<Atom, String> {
        let unknown = || {
            format!(
                "does not know the atom `%({atom})s`: there are h l u t r m U q H s b B f a T M D L p, {{header}}i, \
                 {{header}}o and {{variable}}e"
            )
        };
        let (name, kind) = atom.strip_prefix('{').and_then(|atom| atom.split_once('}')).ok_or_else(unknown)?;
        let header = |name: &str| HeaderName::from_bytes(name.as_bytes()).map_err(|_| unknown());
        match kind {
            "i" => Ok(self.told(header(name)?)),
            "o" => Ok(Atom::ResponseHeader(place(&mut self.response_headers, header(name)?))),
            "e" => self.variable(name),
            _ => Err(unknown()),
        }
    }

    fn variable(&mut self, name: &str) -> Result<Atom, String> {
        let upper = name.to_ascii_uppercase();
        Ok(match upper.as_str() {
            "REMOTE_ADDR" => Atom::Client,
            "REMOTE_PORT" => Atom::Port,
            "REQUEST_METHOD" => Atom::Method,
            "RAW_URI" | "REQUEST_URI" => Atom::Target,
            "QUERY_STRING" => Atom::Query,
            "SERVER_PROTOCOL" => Atom::Protocol,
            "SERVER_NAME" => Atom::ServerName,
            "SERVER_PORT" => Atom::ServerPort,
            "SERVER_SOFTWARE" => Atom::Software,
            "WSGI.URL_SCHEME" => Atom::Scheme,
            "CONTENT_TYPE" => Atom::RequestHeader(self.request_header(header::CONTENT_TYPE)),
            "CONTENT_LENGTH" => Atom::RequestHeader(self.request_header(header::CONTENT_LENGTH)),
            _ => {
                let header = upper.strip_prefix("HTTP_").map(|name| name.replace('_', "-").to_ascii_lowercase());
                let Some(header) = header.and_then(|name| HeaderName::from_bytes(name.as_bytes()).ok()) else {
                    return Err(format!(
                        "cannot tell `%({{{name}}}e)s`: of environ only REMOTE_ADDR, REMOTE_PORT, REQUEST_METHOD, RAW_URI, \
                         REQUEST_URI, QUERY_STRING, SERVER_NAME, SERVER_PORT, SERVER_PROTOCOL, SERVER_SOFTWARE, \
                         CONTENT_TYPE, CONTENT_LENGTH, HTTP_… and wsgi.url_scheme are known outside of the application; \
                         let it log the rest itself"
                    ));
                };
                self.told(header)
            }
        })
    }

    fn told(&mut self, name: HeaderName) -> Atom {
        if name.as_str() == "x-request-id" { Atom::RequestId } else { Atom::RequestHeader(self.request_header(name)) }
    }

    fn request_header(&mut self, name: HeaderName) -> usize {
        place(&mut self.request_headers, name)
    }
}

fn place(names: &mut Vec<HeaderName>, name: HeaderName) -> usize {
    names.iter().position(|known| *known == name).unwrap_or_else(|| {
        names.push(name);
        names.len() - 1
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// gunicorn's own default.
    const COMBINED: &str = r#"%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s""#;

    #[test]
    fn the_combined_format_is_read() {
        let format = access_format(COMBINED).unwrap();
        let atoms: Vec<Atom> = format
            .parts
            .iter()
            .filter_map(|part| match part {
                Part::Atom(atom) => Some(*atom),
                Part::Text(_) => None,
            })
            .collect();
        assert_eq!(
            atoms,
            [
                Atom::Client,
                Atom::Nothing,
                Atom::User(0),
                Atom::Time,
                Atom::RequestLine,
                Atom::Status,
                Atom::Bytes,
                Atom::RequestHeader(1),
                Atom::RequestHeader(2),
            ]
        );
        assert_eq!(format.request_headers, [header::AUTHORIZATION, header::REFERER, header::USER_AGENT]);
    }

    #[test]
    fn headers_and_variables_are_named_in_any_case_and_kept_once() {
        let text =
            "100%% %({User-Agent}i)s %(a)s %({HTTP_USER_AGENT}e)s %({X-Cache}o)s %({x-cache}o)s %({X-Request-ID}i)s";
        let format = access_format(text).unwrap();
        assert_eq!(format.parts[0], Part::Text("100% ".into()));
        assert_eq!((format.request_headers.len(), format.response_headers.len()), (1, 1));
        assert_eq!(format.parts.last(), Some(&Part::Atom(Atom::RequestId)));
        assert!(access_format("%({remote_addr}e)s %({wsgi.url_scheme}e)s").is_ok());
    }

    #[test]
    fn what_is_not_known_is_refused_with_a_sentence() {
        for (text, part) in [
            ("", "wants a format such as"),
            ("%", "wants atoms such as"),
            ("%h", "wants atoms such as"),
            ("%(h", "wants atoms such as"),
            ("%(h)d", "wants `%(h)s`, without"),
            ("%(h)10s", "wants `%(h)s`, without"),
            ("%(x)s", "does not know the atom `%(x)s`"),
            ("%(hh)s", "does not know the atom"),
            ("%({a b}i)s", "does not know the atom"),
            ("%({a}x)s", "does not know the atom"),
            ("%({}i)s", "does not know the atom"),
            ("%({wsgi.input}e)s", "cannot tell `%({wsgi.input}e)s`"),
            ("%({USER}e)s", "let it log the rest itself"),
            ("%(h)s\n%(s)s x\n", "wants one line"),
        ] {
            let refusal = access_format(text).unwrap_err();
            assert!(refusal.contains(part), "{text}: {refusal}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[%(){}hisoe a\u{e9}]*") {
            let _ = access_format(&text);
        }
    }
}
