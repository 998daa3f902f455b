//! The native binary's allocator: mimalloc, asked in its plain way, and when freed memory goes back to the system.

#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout};
use std::ffi::{c_int, c_long};

use libmimalloc_sys as mi;

/// mimalloc with a short way for what is aligned as any memory of its is. The crate's own asks for an alignment each time,
/// of which mimalloc then makes sure: a hundred instructions more for each piece of memory.
pub struct Mimalloc;

/// Whether mimalloc aligns so by itself: to 16 bytes (`MI_MAX_ALIGN_SIZE`), and what is smaller to a word.
const fn is_plain(layout: Layout) -> bool {
    layout.align() <= align_of::<usize>() || (layout.align() <= 16 && layout.size() >= layout.align())
}

// SAFETY: what is given out is mimalloc's, of the layout's size and alignment (see `is_plain`), and `mi_free` and
// `mi_realloc*` take whatever any of its functions gave out. Null where there is none.
unsafe impl GlobalAlloc for Mimalloc {
    // SAFETY: the caller keeps to what GlobalAlloc asks.
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if is_plain(layout) {
            // SAFETY: takes any size.
            unsafe { mi::mi_malloc(layout.size()).cast() }
        } else {
            // SAFETY: a layout's alignment is a power of two.
            unsafe { mi::mi_malloc_aligned(layout.size(), layout.align()).cast() }
        }
    }

    // SAFETY: the caller keeps to what GlobalAlloc asks.
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if is_plain(layout) {
            // SAFETY: as above.
            unsafe { mi::mi_zalloc(layout.size()).cast() }
        } else {
            // SAFETY: as above.
            unsafe { mi::mi_zalloc_aligned(layout.size(), layout.align()).cast() }
        }
    }

    // SAFETY: the caller keeps to what GlobalAlloc asks.
    unsafe fn dealloc(&self, memory: *mut u8, _: Layout) {
        // SAFETY: the caller gives back what it was given here.
        unsafe { mi::mi_free(memory.cast()) }
    }

    // SAFETY: the caller keeps to what GlobalAlloc asks.
    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller keeps to its contract: the size, rounded up to the alignment, does not overflow.
        if is_plain(layout) && is_plain(unsafe { Layout::from_size_align_unchecked(size, layout.align()) }) {
            // SAFETY: the caller's memory is from here.
            unsafe { mi::mi_realloc(memory.cast(), size).cast() }
        } else {
            // SAFETY: the same.
            unsafe { mi::mi_realloc_aligned(memory.cast(), size, layout.align()).cast() }
        }
    }
}

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
