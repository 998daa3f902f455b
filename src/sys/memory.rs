//! Freed memory that the allocator holds back, which only it can give back to the system.
//!
//! The allocator belongs to the program, not to this library: the native binary has its own, a wheel its interpreter's.

use std::sync::OnceLock;

/// How the program's allocator does it.
static GIVE_BACK: OnceLock<fn()> = OnceLock::new();

/// Has [`give_back`] call `how`, which may block for some milliseconds. Only the first counts.
pub fn given_back_by(how: fn()) {
    let _ = GIVE_BACK.set(how);
}

/// Gives back what has lain unused for a while. Blocking; nothing happens where nobody said how.
pub fn give_back() {
    if let Some(how) = GIVE_BACK.get() {
        how();
    }
}
