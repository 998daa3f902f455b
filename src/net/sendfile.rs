//! What the kernel sends without a copy (`sendfile(2)`): static files from its own memory, and stretches of other files.
//!
//! Called by `stream` with what hyper wants written; knows an [`Arena`] and a [`window`] by their addresses. Never waits:
//! where the socket has no room the usual way of writing does.

use std::io::{self, IoSlice};
use std::os::fd::AsFd;

use rustix::io::Errno;
use socket2::SockRef;

use crate::sys::arena::{Arena, WORTH_SENDING};
use crate::sys::window;

/// What became of it.
#[derive(Debug)]
pub enum Sent {
    /// So many bytes are on their way.
    Bytes(usize),
    /// Nothing is, as none of it lies in a file or there is no room.
    None,
    /// Nothing is, nor will be: this is no socket, or no file, for it.
    Never,
    /// The connection is broken.
    Failed(io::Error),
}

/// Sends what lies in `files`, or is a window, and comes first of `data`, or after one small part that is neither.
pub fn send_files(socket: &impl AsFd, files: Option<&Arena>, data: &[IoSlice<'_>]) -> Sent {
    let is_worth_it = |part: &[u8]| part.len() >= WORTH_SENDING || window::is_window(part);
    let (head, body): (&[u8], &[u8]) = match data {
        [body, ..] if is_worth_it(body) => (&[], body),
        [head, body, ..] if is_worth_it(body) && head.len() < WORTH_SENDING => (head, body),
        _ => return Sent::None,
    };
    if window::is_window(body) {
        // Whoever holds the window holds its place.
        let Some(stretch) = window::locate(body) else { return Sent::Failed(io::ErrorKind::NotFound.into()) };
        return send(socket, head, &stretch, stretch.offset, body.len());
    }
    match files.and_then(|files| Some((files, files.locate(body)?))) {
        Some((files, offset)) => send(socket, head, files, offset, body.len()),
        None => Sent::None,
    }
}

fn send(socket: &impl AsFd, head: &[u8], file: &impl AsFd, mut offset: u64, len: usize) -> Sent {
    let mut sent = 0;
    if !head.is_empty() {
        // Held back until the body follows, or each would be a packet of its own.
        match SockRef::from(socket).send_with_flags(head, libc::MSG_MORE | libc::MSG_NOSIGNAL) {
            Ok(all) if all == head.len() => sent = all,
            Ok(part) => return Sent::Bytes(part),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
                return Sent::None;
            }
            Err(error) => return Sent::Failed(error),
        }
    }
    match rustix::fs::sendfile(socket, file, Some(&mut offset), len) {
        Ok(bytes) if bytes > 0 => Sent::Bytes(sent + bytes),
        _ if sent > 0 => Sent::Bytes(sent),
        Err(Errno::AGAIN | Errno::INTR) => Sent::None,
        // What is wrong with the file is told by who reads it instead.
        Ok(_) | Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP | Errno::PERM | Errno::IO) => Sent::Never,
        Err(error) => Sent::Failed(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use std::io::Read;
    use std::os::unix::net::UnixStream;

    fn pattern(length: usize) -> Vec<u8> {
        (0..=250).cycle().take(length).collect()
    }

    #[test]
    fn a_head_and_then_the_file_from_wherever_it_goes_on() {
        let mut file = Bytes::from(pattern(1 << 20));
        let arena = Arena::hold(&mut [&mut file]).unwrap().unwrap();
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let mut expected = b"the head".to_vec();
        expected.extend_from_slice(&file);
        let mut head: &[u8] = b"the head";
        let mut got = Vec::new();
        while got.len() < expected.len() {
            let sent = match send_files(
                &ours,
                Some(&arena),
                &[IoSlice::new(head), IoSlice::new(&file)][usize::from(head.is_empty())..],
            ) {
                Sent::Bytes(sent) => sent,
                Sent::None if file.len() < WORTH_SENDING => file.len(),
                Sent::None => 0,
                other => panic!("{other:?}"),
            };
            if file.len() < WORTH_SENDING {
                got.extend_from_slice(&file);
                break;
            }
            let of_head = sent.min(head.len());
            head = &head[of_head..];
            file = file.slice(sent - of_head..);
            let mut read = vec![0; sent];
            theirs.read_exact(&mut read).unwrap();
            got.extend_from_slice(&read);
        }
        assert!(got == expected, "the same bytes");
    }

    #[test]
    fn a_full_socket_and_other_bytes_are_for_the_usual_way() {
        let mut file = Bytes::from(pattern(4 << 20));
        let arena = Arena::hold(&mut [&mut file]).unwrap().unwrap();
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let other = pattern(1 << 20);
        assert!(matches!(send_files(&ours, Some(&arena), &[IoSlice::new(&other)]), Sent::None));
        assert!(matches!(send_files(&ours, Some(&arena), &[IoSlice::new(&file[..100])]), Sent::None), "too little");
        assert!(matches!(send_files(&ours, Some(&arena), &[]), Sent::None));
        while let Sent::Bytes(_) = send_files(&ours, Some(&arena), &[IoSlice::new(&file)]) {}
        assert!(matches!(send_files(&ours, Some(&arena), &[IoSlice::new(b"head"), IoSlice::new(&file)]), Sent::None));
        drop(theirs);
        assert!(matches!(send_files(&ours, Some(&arena), &[IoSlice::new(&file)]), Sent::Failed(_)));
    }
}
