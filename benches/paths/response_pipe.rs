//! A streamed body on its way from the application to the client.

use std::task::{Context, Poll, Waker};

use monopod::exchange::response::pipe;
use monopod::exchange::{Budget, Spool};

use crate::Part;

/// `count` chunks of `size` bytes are written and read in turn, and the end is seen.
fn stream(name: &'static str, size: usize, count: usize) -> Part<'static> {
    let (spool, _) = Spool::new(Budget::new(64 << 20), &std::env::temp_dir());
    let chunk = vec![b'x'; size];
    Part::new(name, move || {
        let mut context = Context::from_waker(Waker::noop());
        let (writer, mut reader) = pipe(&spool);
        let mut read = 0;
        for _ in 0..count {
            assert!(writer.try_push(&chunk).unwrap());
            while let Poll::Ready(Some(piece)) = reader.poll_chunk(&mut context) {
                read += piece.unwrap().len();
            }
        }
        writer.finish();
        while let Poll::Ready(Some(piece)) = reader.poll_chunk(&mut context) {
            read += piece.unwrap().len();
        }
        assert_eq!(read, size * count);
    })
}

pub fn parts() -> Vec<Part<'static>> {
    vec![stream("response pipe, 16 × 100 B", 100, 16), stream("response pipe, 16 × 64 KiB", 64 << 10, 16)]
}
