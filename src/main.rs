//! The native binary: allocator, arguments, exit code.

use std::process::ExitCode;

// Not a part of the library, as a wheel has the allocator of its interpreter.
#[path = "sys/allocator.rs"]
mod allocator;

/// Fewer instructions an allocation than the system's, and memory that goes back to the system.
#[global_allocator]
static ALLOCATOR: allocator::Mimalloc = allocator::Mimalloc;

fn main() -> ExitCode {
    monopod::given_back_by(allocator::give_back);
    let args: Vec<_> = std::env::args_os().collect();
    ExitCode::from(monopod::run(monopod::Face::Binary, &args))
}
