//! Where pipelined messages end: streams whose ends are known by how they were made, and such streams with some damage,
//! judged by the guard, by hyper behind it, and by the reference.

use proptest::prelude::*;

use crate::checks;
use crate::checks::framing;
use crate::checks::guard::USUAL;
use crate::checks::streams::RECIPE;

/// A message as it was made.
#[derive(Clone, Debug)]
struct Made {
    /// Offset of the body, and all of the bytes.
    head: usize,
    bytes: Vec<u8>,
    body: Vec<u8>,
}

fn token() -> impl Strategy<Value = String> {
    "[!#$%&'*+.^_`|~0-9A-Za-z-]{1,12}"
}

/// What stands in a field's value: visible, blanks inside, and bytes of no particular meaning.
fn value() -> impl Strategy<Value = Vec<u8>> {
    let inside = prop::collection::vec(
        prop_oneof![8 => 0x21..0x7f_u8, 2 => 0x80..=0xff_u8, 1 => Just(b' '), 1 => Just(b'\t')],
        0..30,
    );
    inside.prop_map(|bytes| bytes.trim_ascii().to_vec())
}

/// Bodies look like requests more often than not: whoever loses count runs one.
fn body() -> impl Strategy<Value = Vec<u8>> {
    let request = b"GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n";
    let length = prop_oneof![Just(0_usize), 1..40_usize, Just(request.len()), 100..3000_usize];
    prop_oneof![
        length.prop_map(|length| request.iter().copied().cycle().take(length).collect()),
        prop::collection::vec(any::<u8>(), 0..300),
        Just(b"0\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n".to_vec()),
    ]
}

/// The chunked form of a body: sizes in either case, with zeros before them, extensions and trailers.
fn chunked(body: &[u8], length: usize, zeros: usize, extension: &str, trailers: &[String]) -> Vec<u8> {
    let mut coded = Vec::new();
    // Not so many chunks that their extensions are too long together.
    for (n, chunk) in body.chunks(length.max(body.len() / 100)).enumerate() {
        let size = if n % 2 == 0 { format!("{:x}", chunk.len()) } else { format!("{:X}", chunk.len()) };
        coded.extend(format!("{}{size}{extension}\r\n", "0".repeat(zeros)).bytes());
        coded.extend_from_slice(chunk);
        coded.extend_from_slice(b"\r\n");
    }
    coded.extend(format!("0{extension}\r\n").bytes());
    for trailer in trailers {
        coded.extend(format!("X-{trailer}: {trailer}\r\n").bytes());
    }
    coded.extend_from_slice(b"\r\n");
    coded
}

prop_compose! {
    fn message()(
        method in token(),
        target in "/[!-~&&[^#\"<>\\\\^`{|}]]{0,20}|http://h(:80)?/[a-z?]{0,5}|\\*",
        fields in prop::collection::vec((token(), value()), 0..5),
        empty_line: bool,
        // Content-Length, chunked, or neither.
        framing in 0..3_u8,
        body in body(),
        (length, zeros) in (1..200_usize, 0..15_usize),
        extension in prop::sample::select(vec!["", ";a", ";a=b;c", ";a=\"\\\"; \\\\\""]),
        trailers in prop::collection::vec("[a-z]{1,5}", 0..3),
    ) -> Made {
        let mut bytes = if empty_line { b"\r\n".to_vec() } else { Vec::new() };
        bytes.extend(format!("{method} {target} HTTP/1.1\r\nHost: h\r\n").bytes());
        for (name, value) in fields {
            // Not the name of a header that frames, closes or repeats.
            bytes.extend(format!("X-{name}:").bytes());
            bytes.extend([b" ", value.as_slice(), b"\r\n"].concat());
        }
        let (line, body, coded) = match framing {
            0 => (format!("content-length: {}\r\n", body.len()), body.clone(), body),
            1 => {
                let coded = chunked(&body, length, zeros, extension, &trailers);
                ("Transfer-Encoding: chunked\r\n".to_owned(), body, coded)
            }
            _ => (String::new(), Vec::new(), Vec::new()),
        };
        bytes.extend(line.bytes());
        bytes.extend_from_slice(b"\r\n");
        let head = bytes.len();
        bytes.extend(coded);
        Made { head, bytes, body }
    }
}

fn stream() -> impl Strategy<Value = Vec<Made>> {
    prop::collection::vec(message(), 1..6)
}

/// One piece of damage.
#[derive(Clone, Debug)]
enum Damage {
    Replace(u8),
    Insert(Vec<u8>),
    Remove(usize),
    /// So many bytes, again.
    Repeat(usize),
}

fn damage() -> impl Strategy<Value = Damage> {
    let bytes = [
        &b"\r"[..],
        b"\n",
        b"\r\n",
        b" ",
        b"\t",
        b":",
        b"0",
        b",",
        b"\0",
        b";",
        b"Content-Length: 3\r\n",
        b"Transfer-Encoding: chunked\r\n",
    ];
    prop_oneof![
        any::<u8>().prop_map(Damage::Replace),
        prop::sample::select(bytes.to_vec()).prop_map(|bytes| Damage::Insert(bytes.to_vec())),
        (1..20_usize).prop_map(Damage::Remove),
        (1..40_usize).prop_map(Damage::Repeat),
    ]
}

fn damaged(mut bytes: Vec<u8>, damages: Vec<(prop::sample::Index, Damage)>) -> Vec<u8> {
    for (at, damage) in damages {
        let at = at.index(bytes.len() + 1);
        let up_to = |length: usize| at..bytes.len().min(at + length);
        match damage {
            Damage::Replace(byte) => drop(bytes.splice(up_to(1), [byte])),
            Damage::Insert(more) => drop(bytes.splice(at..at, more)),
            Damage::Remove(length) => drop(bytes.drain(up_to(length))),
            Damage::Repeat(length) => {
                let again = bytes[up_to(length)].to_vec();
                drop(bytes.splice(at..at, again));
            }
        }
    }
    bytes
}

fn together(messages: &[Made]) -> Vec<u8> {
    messages.iter().flat_map(|message| message.bytes.clone()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn valid_messages_end_where_they_were_made_to_end(messages in stream()) {
        let stream = together(&messages);
        let reading = framing::read(&stream, &USUAL);
        prop_assert!(reading.refused.is_none(), "{:?}", reading.refused);
        prop_assert_eq!(reading.messages.len(), messages.len());
        let mut begin = 0;
        for (read, made) in reading.messages.iter().zip(&messages) {
            prop_assert_eq!(read.head_end, begin + made.head);
            begin += made.bytes.len();
            prop_assert_eq!(read.end, Some(begin));
            prop_assert_eq!(&read.body, &made.body);
        }
        checks::guard(&stream);
    }

    #[test]
    fn damaged_messages_end_where_all_three_say(
        messages in stream(), damages in prop::collection::vec((any::<prop::sample::Index>(), damage()), 1..4),
    ) {
        checks::guard(&damaged(together(&messages), damages));
    }

    #[test]
    fn near_misses_end_where_all_three_say(recipe in prop::collection::vec(any::<u8>(), 0..200)) {
        checks::guard(&[&[RECIPE], recipe.as_slice()].concat());
        checks::environ(&[&[RECIPE], recipe.as_slice()].concat());
    }
}
