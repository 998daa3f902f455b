//! How what hyper wants written comes into the socket: sent by the kernel where it can, in one small write, in a vectored
//! one, or copied from the file that a window shows.

use std::future::Future;
use std::io::{self, IoSlice};
use std::os::fd::AsFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::AsyncWrite;
use tokio::task::JoinHandle;

use super::sendfile::{Sent, send_files};
use crate::sys::arena::Arena;
use crate::sys::window;

/// Head and body of at most so many bytes together are copied into one write: cheaper than the kernel's vectored one.
const SMALL_WRITE: usize = 1024;
/// Bytes of a file that are copied at once, where it cannot be sent.
const COPIED: usize = 16 * 1024;

/// The way out of one connection.
#[derive(Debug, Default)]
pub struct Outgoing {
    /// What the kernel can send without a copy, besides windows.
    files: Option<Arc<Arena>>,
    /// Reads what is to be sent next into the page cache.
    warming: Option<JoinHandle<()>>,
}

/// What ends the response in its middle.
#[derive(Debug)]
pub enum Failed {
    /// The connection is broken.
    Socket(io::Error),
    /// A file cannot be read any more, or not as far as it could.
    File(io::Error),
}

impl Outgoing {
    /// Has the kernel send what lies in `files`.
    pub fn sending(files: Option<&Arc<Arena>>) -> Self {
        Self { files: files.cloned(), warming: None }
    }

    /// Writes from the beginning of `data`, some of it at least; how many bytes. `was_blocked`: the socket had no room for
    /// them before.
    ///
    /// # Errors
    /// What `send(2)`, `sendfile(2)` and `pread(2)` say; `UnexpectedEof` of a file that has become shorter.
    pub fn poll_write<S: AsFd + AsyncWrite + Unpin>(
        &mut self,
        socket: &mut S,
        cx: &mut Context<'_>,
        data: &[IoSlice<'_>],
        was_blocked: bool,
    ) -> Poll<Result<usize, Failed>> {
        let first_window = data.iter().position(|part| window::is_window(part));
        if let Some(at @ 0..=1) = first_window {
            ready!(self.poll_warming(cx, &data[at], was_blocked));
        }
        match send_files(socket, self.files.as_deref(), data) {
            Sent::Bytes(bytes) => return Poll::Ready(Ok(bytes)),
            Sent::Failed(error) => return Poll::Ready(Err(Failed::Socket(error))),
            Sent::Never if first_window.is_none() => self.files = None,
            Sent::None | Sent::Never => {}
        }
        match first_window {
            Some(0) => poll_copy(Pin::new(socket), cx, &data[0]),
            // A window has no bytes to be copied.
            Some(at) => poll_bytes(Pin::new(socket), cx, &data[..at]).map_err(Failed::Socket),
            None => poll_bytes(Pin::new(socket), cx, data).map_err(Failed::Socket),
        }
    }

    /// Where a window had to wait, what it shows may have left the page cache, and no disk is waited for on this thread.
    fn poll_warming(&mut self, cx: &mut Context<'_>, part: &[u8], was_blocked: bool) -> Poll<()> {
        if was_blocked
            && self.warming.is_none()
            && let Some(stretch) = window::locate(part).filter(|stretch| !stretch.is_cached())
        {
            let len = part.len();
            self.warming = Some(tokio::task::spawn_blocking(move || stretch.read_ahead(len)));
        }
        if let Some(warming) = &mut self.warming {
            // What went wrong goes wrong again when it is sent.
            drop(ready!(Pin::new(warming).poll(cx)));
            self.warming = None;
        }
        Poll::Ready(())
    }
}

fn poll_bytes<S: AsyncWrite>(
    socket: Pin<&mut S>,
    cx: &mut Context<'_>,
    data: &[IoSlice<'_>],
) -> Poll<io::Result<usize>> {
    if let [part] = data {
        return socket.poll_write(cx, part);
    }
    let length: usize = data.iter().map(|part| part.len()).sum();
    if length > SMALL_WRITE {
        return socket.poll_write_vectored(cx, data);
    }
    let mut whole = [0; SMALL_WRITE];
    let mut at = 0;
    for part in data {
        whole[at..at + part.len()].copy_from_slice(part);
        at += part.len();
    }
    socket.poll_write(cx, &whole[..length])
}

/// Writes the beginning of a window like other bytes: the socket is full, which is then waited for, or it or the file is
/// none for `sendfile`.
fn poll_copy<S: AsyncWrite>(socket: Pin<&mut S>, cx: &mut Context<'_>, part: &[u8]) -> Poll<Result<usize, Failed>> {
    let mut buffer = [0; COPIED];
    let wanted = part.len().min(COPIED);
    let read = match window::locate(part) {
        Some(stretch) => stretch.copy(&mut buffer[..wanted]).map_err(Failed::File)?,
        None => return Poll::Ready(Err(Failed::Socket(io::ErrorKind::NotFound.into()))),
    };
    socket.poll_write(cx, &buffer[..read]).map_err(Failed::Socket)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::future::poll_fn;
    use std::io::Write;
    use tokio::io::AsyncReadExt;
    use tokio::net::UnixStream;

    const LONG: usize = 200_000;

    fn file() -> (Arc<File>, Vec<u8>) {
        let bytes: Vec<u8> = (0..=250).cycle().take(LONG).collect();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes).unwrap();
        (Arc::new(file), bytes)
    }

    /// Writes all of `parts`, as hyper does; what arrives at the other end, up to a failure.
    async fn send(parts: &[&[u8]]) -> (Vec<u8>, Result<(), Failed>) {
        let (mut ours, mut theirs) = UnixStream::pair().unwrap();
        let mut outgoing = Outgoing::default();
        let mut parts = parts.to_vec();
        let writing = async {
            let mut was_blocked = false;
            while !parts.is_empty() {
                let data: Vec<IoSlice<'_>> = parts.iter().map(|part| IoSlice::new(part)).collect();
                let mut written = poll_fn(|cx| {
                    let written = outgoing.poll_write(&mut ours, cx, &data, was_blocked);
                    was_blocked = written.is_pending();
                    written
                })
                .await?;
                while written > 0 || parts.first().is_some_and(|part| part.is_empty()) {
                    let of_first = written.min(parts[0].len());
                    parts[0] = &parts[0][of_first..];
                    written -= of_first;
                    if parts[0].is_empty() {
                        parts.remove(0);
                    }
                }
            }
            drop(ours);
            Ok(())
        };
        let mut arrived = Vec::new();
        let (written, read) = tokio::join!(writing, theirs.read_to_end(&mut arrived));
        read.unwrap();
        (arrived, written)
    }

    #[tokio::test]
    async fn windows_arrive_as_the_bytes_of_their_file_wherever_they_stand() {
        let (file, bytes) = file();
        let window = |offset: usize, len| window::open(&file, offset as u64, len).unwrap();
        let (all, few) = (window(0, LONG), window(7, 5));
        let (all_bytes, few_bytes) = (&bytes[..], &bytes[7..12]);
        let big = vec![b'b'; 50_000];
        let cases: [(&[&[u8]], Vec<u8>); 6] = [
            (&[&all], all_bytes.to_vec()),
            (&[b"head", &all], [b"head".as_slice(), all_bytes].concat()),
            (&[b"head", &few, b"tail"], [b"head".as_slice(), few_bytes, b"tail"].concat()),
            (
                &[b"head", b"size\r\n", &all, b"\r\n", &few],
                [b"head".as_slice(), b"size\r\n", all_bytes, b"\r\n", few_bytes].concat(),
            ),
            (&[&big, &few, &big], [big.as_slice(), few_bytes, &big].concat()),
            (&[&few, &all[100..], &few[4..]], [few_bytes, &all_bytes[100..], &few_bytes[4..]].concat()),
        ];
        for (at, (parts, expected)) in cases.into_iter().enumerate() {
            let (arrived, written) = send(parts).await;
            assert!(written.is_ok(), "case {at}: {written:?}");
            assert!(arrived == expected, "case {at}");
        }
    }

    #[tokio::test]
    async fn what_has_left_the_page_cache_while_it_waited_is_read_elsewhere_first() {
        let (file, bytes) = file();
        let window = window::open(&file, 0, LONG).unwrap();
        let stretch = window::locate(&window).unwrap();
        let forget = || rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).unwrap();
        file.sync_all().unwrap();
        forget();
        // File systems in memory keep everything, and some do not tell. To be asked is to begin to read.
        let is_gone = !stretch.is_cached();
        stretch.read_ahead(LONG);
        forget();
        let (mut ours, mut theirs) = UnixStream::pair().unwrap();
        let mut outgoing = Outgoing::default();
        let data = [IoSlice::new(&window)];
        let mut polls = 0;
        let written = poll_fn(|cx| {
            polls += 1;
            outgoing.poll_write(&mut ours, cx, &data, true)
        });
        let written = written.await.unwrap();
        assert!(!is_gone || polls > 1, "nobody waited for the disk");
        let mut arrived = vec![0; written];
        theirs.read_exact(&mut arrived).await.unwrap();
        assert!(arrived == bytes[..written]);
    }

    #[tokio::test]
    async fn a_file_that_has_become_shorter_is_told_where_it_ends() {
        let (file, bytes) = file();
        let window = window::open(&file, 0, LONG).unwrap();
        file.set_len(100).unwrap();
        let (arrived, written) = send(&[b"head", &window]).await;
        assert!(matches!(written, Err(Failed::File(error)) if error.kind() == io::ErrorKind::UnexpectedEof));
        assert_eq!(arrived, [b"head".as_slice(), &bytes[..100]].concat());
    }
}
