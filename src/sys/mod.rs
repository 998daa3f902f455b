//! The system calls that the standard library does not have. The only room besides `python/embed` with
//! `unsafe`, each place with its reason.

#![allow(unsafe_code)]

pub mod arena;
pub mod cgroup;
pub mod descriptors;
pub mod fd;
pub mod heir;
pub mod init;
pub mod local_time;
pub mod memory;
pub mod process;
pub mod random;
pub mod signals;
pub mod thread;
pub mod usage;
pub mod window;
