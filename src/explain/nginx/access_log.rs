//! nginx's log_format in gunicorn's atoms, for `--access-logformat`.

/// The format, or the first variable that there is no atom for.
///
/// # Errors
/// That variable, with its `$`.
pub fn translate(words: &[String]) -> Result<String, String> {
    let escapes = words.first().is_some_and(|word| word.starts_with("escape="));
    let text = words.get(usize::from(escapes)..).unwrap_or_default().concat();
    // The atom has its brackets.
    let text = text.replace("[$time_local]", "$time_local").replace("[${time_local}]", "$time_local");
    let mut out = String::new();
    let mut rest = text.as_str();
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at].replace('%', "%%"));
        rest = &rest[at + 1..];
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let (name, behind) = match rest.strip_prefix('{').and_then(|inner| inner.split_once('}')) {
            Some(pair) => pair,
            None => rest.split_at(rest.find(|c| !is_name(c)).unwrap_or(rest.len())),
        };
        rest = behind;
        out.push_str(&atom(name).ok_or_else(|| format!("${name}"))?);
    }
    out.push_str(&rest.replace('%', "%%"));
    Ok(out)
}

fn atom(variable: &str) -> Option<String> {
    let plain = match variable {
        "remote_addr" | "realip_remote_addr" | "proxy_protocol_addr" => "h",
        "remote_user" => "u",
        "time_local" => "t",
        "request" => "r",
        "request_method" => "m",
        "uri" | "document_uri" => "U",
        "args" | "query_string" => "q",
        "server_protocol" => "H",
        "status" => "s",
        "body_bytes_sent" | "bytes_sent" => "b",
        "request_time" => "L",
        "pid" => "p",
        "request_id" => "{x-request-id}i",
        "request_uri" => "{RAW_URI}e",
        "scheme" => "{wsgi.url_scheme}e",
        "host" | "http_host" => "{host}i",
        "server_port" => "{SERVER_PORT}e",
        "remote_port" => "{REMOTE_PORT}e",
        "content_type" => "{content-type}i",
        "content_length" => "{content-length}i",
        _ => {
            let header = |name: &str| name.replace('_', "-");
            let named = variable
                .strip_prefix("http_")
                .map(|name| format!("%({{{}}}i)s", header(name)))
                .or_else(|| variable.strip_prefix("sent_http_").map(|name| format!("%({{{}}}o)s", header(name))));
            return named.filter(|_| !variable.ends_with('_'));
        }
    };
    Some(format!("%({plain})s"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::access_format::access_format;

    #[test]
    fn the_formats_that_everybody_has_can_be_said() {
        for (words, expected) in [
            (
                &[
                    "$remote_addr - $remote_user [$time_local] \"$request\" ",
                    "$status $body_bytes_sent \"$http_referer\" \"$http_user_agent\"",
                ][..],
                "%(h)s - %(u)s %(t)s \"%(r)s\" %(s)s %(b)s \"%({referer}i)s\" \"%({user-agent}i)s\"",
            ),
            (
                &["escape=json", "{\"s\": $status, \"p\": \"100%\", \"t\": ${request_time}}"],
                "{\"s\": %(s)s, \"p\": \"100%%\", \"t\": %(L)s}",
            ),
        ] {
            let words: Vec<String> = words.iter().map(ToString::to_string).collect();
            let format = translate(&words).unwrap();
            assert_eq!(format, expected);
            assert!(access_format(&format).is_ok(), "{format}");
        }
        assert_eq!(translate(&["a $upstream_addr".into()]).unwrap_err(), "$upstream_addr");
    }
}
