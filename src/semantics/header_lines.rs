//! The lines of one header that few requests have.
//!
//! Looking through all names compares lengths or small numbers; a look-up hashes the name asked for, byte by byte where it
//! is none of the standard ones, and costs more than that unless there are dozens of lines.

use http::{HeaderMap, HeaderName, HeaderValue};

/// The values of `name`, in their order.
pub fn lines<'a>(headers: &'a HeaderMap, name: &'a HeaderName) -> impl Iterator<Item = &'a HeaderValue> {
    headers.iter().filter(move |(other, _)| *other == name).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_as_they_came() {
        let name = HeaderName::from_static("x-one");
        let mut headers = HeaderMap::new();
        assert_eq!(lines(&headers, &name).count(), 0);
        for (key, value) in [("x-one", "1"), ("host", "h"), ("x-ona", "no"), ("x-one", "2")] {
            headers.append(key, value.parse().unwrap());
        }
        assert_eq!(lines(&headers, &name).collect::<Vec<_>>(), ["1", "2"]);
    }
}
