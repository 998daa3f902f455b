//! Status and headers of a response being made, until the first byte of its body commits them.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};

use super::accel::Accel;
use crate::exchange::replies::{Reply, ReplyBody};

/// Status and headers, checked, as `start_response` was given them.
#[derive(Debug)]
pub struct Head {
    pub status: StatusCode,
    pub reason: Option<Bytes>,
    pub headers: HeaderMap,
    /// Content-Length, where the application declared one.
    pub declared: Option<u64>,
    /// What it says to the server.
    pub accel: Accel,
}

impl Head {
    /// Content-Length: the application's, else `len`.
    pub fn declare(&mut self, len: u64) -> u64 {
        *self.declared.get_or_insert_with(|| {
            self.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(len));
            len
        })
    }

    /// Nothing of the application's body is for the client.
    #[must_use]
    pub fn is_bodiless(&self) -> bool {
        self.accel.file.is_some() || is_bodiless(self.status)
    }

    /// The reply with this head.
    #[must_use]
    pub fn reply(self, body: ReplyBody) -> Reply {
        Reply { status: self.status, reason: self.reason, headers: self.headers, body }
    }
}

/// No body whatever the application gives (RFC 9110 §6.4.1, and §15.3.6 for 205).
#[must_use]
pub fn is_bodiless(status: StatusCode) -> bool {
    matches!(status, StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::NOT_MODIFIED)
}
