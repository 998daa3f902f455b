//! Bytes that nobody can guess, from the kernel (getrandom(2)).

use std::io;

use rustix::rand::{GetRandomFlags, getrandom};

/// `N` of them, at most 256: so few come in one call.
///
/// # Errors
/// What `getrandom(2)` says; where the call is not allowed.
pub fn bytes<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    match getrandom(&mut bytes[..], GetRandomFlags::empty())? {
        count if count == N => Ok(bytes),
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}
