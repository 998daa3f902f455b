//! The native binary's allocator: mimalloc, asked in its plain way, and when freed memory goes back to the system.

#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout};

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

// SAFETY: the declaration of mimalloc.h.
unsafe extern "C" {
    /// mimalloc.h, `mi_collect`: the bindings have it only with a further crate.
    fn mi_collect(force: bool);
}

/// Gives memory back to the system that is free and was when mimalloc last looked, `MIMALLOC_PURGE_DELAY` milliseconds
/// (1000) ago or more. It looks by itself only when it is asked for more: without this, a server that has become quiet
/// would keep what its last burst took.
pub fn give_back() {
    // SAFETY: any thread may call it, for its own memory and what all threads share.
    unsafe { mi_collect(false) };
}
