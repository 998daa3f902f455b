//! What a request passes on its way, each part alone: `cargo bench --bench paths [NAME]`, or `make bench-paths`.
//!
//! `paths --times N NAME` runs one part N times and nothing else, for `benches/instructions.py`. Times are for
//! before-and-after on one quiet machine; what a user waits for, `benches/load` measures.
#![allow(clippy::unwrap_used, reason = "a bench fails by panicking")]

#[allow(dead_code, reason = "the binary also sets options")]
#[path = "../../src/sys/allocator.rs"]
mod allocator;
mod environ;
mod guard;
mod hand_over;
mod preconditions;
mod response_pipe;
mod static_files;

use std::hint::black_box;

use criterion::Criterion;
use pyo3::Python;

/// As in the binary.
#[global_allocator]
static ALLOCATOR: allocator::Mimalloc = allocator::Mimalloc;

/// One part of the way, ready to be run as often as one likes.
pub struct Part<'py> {
    name: &'static str,
    once: Box<dyn FnMut() + 'py>,
}

impl<'py> Part<'py> {
    fn new<T>(name: &'static str, mut once: impl FnMut() -> T + 'py) -> Self {
        Self { name, once: Box::new(move || drop(black_box(once()))) }
    }
}

type Group = for<'py> fn(Python<'py>) -> Vec<Part<'py>>;

/// All of them, by the first word of their names, in the order in which a request meets them.
const GROUPS: [(&str, Group); 6] = [
    ("guard", |_| guard::parts()),
    ("static", |_| static_files::parts()),
    ("preconditions", |_| preconditions::parts()),
    ("hand-over", |_| hand_over::parts()),
    ("environ", environ::parts),
    ("response pipe", |_| response_pipe::parts()),
];

fn main() {
    let args: Vec<String> = std::env::args().collect();
    Python::initialize();
    Python::attach(|py| {
        if let [_, flag, times, name] = args.as_slice()
            && flag == "--times"
        {
            // Only its group is made ready, or most of what is counted would be the others'.
            let (_, group) = GROUPS.iter().find(|(word, _)| name.starts_with(word)).unwrap();
            let mut part = group(py).into_iter().find(|part| part.name == *name).unwrap();
            for _ in 0..times.parse().unwrap() {
                (part.once)();
            }
            return;
        }
        let mut criterion = Criterion::default().configure_from_args();
        for mut part in GROUPS.iter().flat_map(|(_, group)| group(py)) {
            criterion.bench_function(part.name, |bencher| bencher.iter(&mut part.once));
        }
        criterion.final_summary();
    });
}
