//! The native binary's allocator: when freed memory goes back to the system.

#![allow(unsafe_code)]

use std::ffi::{c_int, c_long};

// SAFETY: the declaration of mimalloc.h, in which int and long are C's.
unsafe extern "C" {
    /// mimalloc.h, `mi_option_set_default`: the bindings have it only with a further crate.
    fn mi_option_set_default(option: c_int, value: c_long);
}

/// `mi_option_purge_delay` of `mi_option_t`; its place has been the same in mimalloc 2 and 3.
const PURGE_DELAY: c_int = 15;
/// Milliseconds. mimalloc has no thread of its own: what waits for a delay waits for the next large allocation after it,
/// so with the usual 1000 the memory of a burst is kept for as long as the server is quiet.
const DELAY: c_long = 10;

/// Gives freed memory back soon, unless `MIMALLOC_PURGE_DELAY` says otherwise. To be called before there are threads.
pub fn give_back() {
    // SAFETY: the option exists and takes any number; it is not thread safe, and this is the only thread.
    unsafe { mi_option_set_default(PURGE_DELAY, DELAY) };
}
