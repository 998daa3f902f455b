//! Defaults from the host: how CPUs, memory and descriptors become threads, a queue, buffers, a cache and connections.
//!
//! Pure functions of plain numbers; the facts are gathered by `cli`. Called by `resolve`. What the operator sets
//! outranks all of it.

use std::path::PathBuf;

use super::addresses::ADMIN_PORT;
use super::settings::{AdminBind, Bind, LogFormat};
use super::values::{GIB, MIB, about_size};

/// What is known of the place the server runs in.
#[derive(Debug, Clone, PartialEq)]
pub struct Host {
    /// CPUs this process may use, possibly a fraction; `None`: unknown.
    pub cpus: Option<f64>,
    /// Bytes the cgroup allows; `None`: no limit, or unknown.
    pub memory_limit: Option<u64>,
    /// Bytes the machine has; `None`: unknown.
    pub machine_memory: Option<u64>,
    /// Descriptors this process may have open.
    pub descriptors: u64,
    /// Whether this is a container.
    pub in_container: bool,
    /// Whether people read the output as it is written.
    pub stdout_is_terminal: bool,
    /// Names of the environment's variables that begin with `MONOPOD_`.
    pub variables: Vec<String>,
    /// The absolute working directory at start.
    pub cwd: PathBuf,
}

impl Host {
    /// The memory that is shared out: the limit, or else the machine's. A limit above the machine's memory is none.
    fn memory(&self) -> (Option<u64>, Option<u64>) {
        let limit = self.memory_limit.filter(|limit| self.machine_memory.is_none_or(|machine| *limit < machine));
        (limit, self.machine_memory)
    }

    /// Whether the container has less memory than the machine.
    #[must_use]
    pub fn is_memory_limited(&self) -> bool {
        self.memory().0.is_some()
    }

    /// The default address: all interfaces in a container, where only published ports can be reached, else loopback.
    #[must_use]
    pub fn bind(&self) -> Bind {
        Bind::Tcp(if self.in_container { "0.0.0.0" } else { "127.0.0.1" }.to_owned(), 8000)
    }

    /// The default admin port: in a container one beside the application's, else none.
    #[must_use]
    pub fn admin_bind(&self) -> AdminBind {
        AdminBind(self.in_container.then(|| Bind::Tcp("0.0.0.0".to_owned(), ADMIN_PORT)))
    }

    /// The default form of log lines.
    #[must_use]
    pub fn log_format(&self) -> LogFormat {
        if self.in_container && !self.stdout_is_terminal { LogFormat::Json } else { LogFormat::Text }
    }

    /// The default number of threads.
    #[must_use]
    pub fn threads(&self) -> usize {
        threads(self.cpus)
    }

    /// The default budget of buffered bodies, in bytes.
    #[must_use]
    pub fn buffer_memory(&self) -> u64 {
        let (limit, machine) = self.memory();
        buffer_memory(limit, machine)
    }

    /// Bytes of static assets to keep in memory.
    #[must_use]
    pub fn static_memory(&self) -> u64 {
        let (limit, machine) = self.memory();
        static_memory(limit.or(machine))
    }

    /// The default number of client connections.
    #[must_use]
    pub fn max_connections(&self) -> usize {
        max_connections(self.descriptors)
    }

    /// What to tell an operator who wants more connections than there are descriptors for.
    #[must_use]
    pub fn warning_of(&self, connections: usize) -> Option<String> {
        let limit = self.descriptors;
        (connections as u64 > limit.saturating_sub(OTHER_DESCRIPTORS)).then(|| {
            format!(
                "--max-connections {connections} is more than the limit of {limit} open files allows: raise that \
                 (ulimit -Hn), or lower --max-connections."
            )
        })
    }

    /// The same place with other limits; CPUs that cannot be found out stay what they were.
    #[must_use]
    pub fn resized(&self, cpus: Option<f64>, memory_limit: Option<u64>) -> Self {
        Self { cpus: cpus.or(self.cpus), memory_limit, ..self.clone() }
    }

    /// What is different of `now`, in words; `None`: nothing.
    #[must_use]
    pub fn change_to(&self, now: &Self) -> Option<String> {
        let (before, after) = (self.shares(), now.shares());
        (before != after).then(|| format!("the limits are {after} now, and were {before}"))
    }

    /// The default budget as an operator would type it.
    #[must_use]
    pub fn shown_buffer_memory(&self) -> String {
        about_size(self.buffer_memory())
    }

    /// What the host has, in words: the inputs of every decision here.
    #[must_use]
    pub fn inputs(&self) -> String {
        format!("{} and {} descriptors", self.shares(), self.descriptors)
    }

    fn shares(&self) -> String {
        let cpus = self.cpus.map_or_else(|| "unknown CPUs".to_owned(), |cpus| format!("{cpus} CPUs"));
        let memory = match self.memory() {
            (Some(limit), _) => format!("a memory limit of {}", about_size(limit)),
            (None, Some(machine)) => format!("no memory limit on a machine of {}", about_size(machine)),
            (None, None) => "unknown memory".to_owned(),
        };
        format!("{cpus}, {memory}")
    }
}

/// Threads: 4 per CPU, CPUs rounded up, from 4 to 32. More only queue up for the GIL.
#[must_use]
pub fn threads(cpus: Option<f64>) -> usize {
    let cpus = cpus.unwrap_or(1.0);
    let whole = (1_u8..8).find(|whole| f64::from(*whole) >= cpus).unwrap_or(8);
    4 * usize::from(whole)
}

/// Requests that may wait: 16 per thread.
#[must_use]
pub const fn queue_size(threads: usize) -> usize {
    threads.saturating_mul(16)
}

/// Threads for streams: 16 per thread, at most 512. They are started when streams are there.
#[must_use]
pub const fn stream_threads(threads: usize) -> usize {
    let many = threads.saturating_mul(16);
    if many < 512 { many } else { 512 }
}

/// Descriptors left to Python, its modules and the application, and to the server's own few.
const OTHER_DESCRIPTORS: u64 = 32;
/// More descriptors than these are not planned with: some container runtimes set the limit to 2³⁰, which says nothing
/// of what the machine can bear.
const MOST_DESCRIPTORS: u64 = 1 << 20;

/// Client connections: half of the descriptors that are left, as one that uploads to disk, or is sent a file or an answer
/// from there, needs a second one. At least 1. Nothing is allocated by this number.
#[must_use]
pub fn max_connections(descriptors: u64) -> usize {
    let left = descriptors.min(MOST_DESCRIPTORS).saturating_sub(OTHER_DESCRIPTORS);
    usize::try_from(left / 2).unwrap_or(usize::MAX).max(1)
}

/// Bytes of bodies in memory: a quarter of the limit; without one, a quarter of the machine's memory up to 1 GiB;
/// knowing neither, 256 MiB. Never less than 1 MiB.
#[must_use]
pub fn buffer_memory(limit: Option<u64>, machine: Option<u64>) -> u64 {
    let quarter = match (limit, machine) {
        (Some(limit), _) => limit / 4,
        (None, Some(machine)) => (machine / 4).min(GIB),
        (None, None) => 256 * MIB,
    };
    quarter.max(MIB)
}

/// Bytes of static assets in memory: an eighth, from 16 MiB to 256 MiB; knowing nothing, 64 MiB.
#[must_use]
pub fn static_memory(memory: Option<u64>) -> u64 {
    memory.map_or(64 * MIB, |memory| (memory / 8).clamp(16 * MIB, 256 * MIB))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(memory_limit: Option<u64>, machine_memory: Option<u64>) -> Host {
        Host {
            cpus: Some(1.5),
            memory_limit,
            machine_memory,
            descriptors: 1024,
            in_container: false,
            stdout_is_terminal: false,
            variables: Vec::new(),
            cwd: "/".into(),
        }
    }

    #[test]
    fn threads_follow_the_cpus() {
        for (cpus, expected) in [
            (None, 4),
            (Some(0.0), 4),
            (Some(0.1), 4),
            (Some(1.0), 4),
            (Some(1.01), 8),
            (Some(2.0), 8),
            (Some(2.5), 12),
            (Some(7.0), 28),
            (Some(7.1), 32),
            (Some(8.0), 32),
            (Some(96.0), 32),
        ] {
            assert_eq!(threads(cpus), expected, "{cpus:?}");
        }
    }

    #[test]
    fn the_queue_follows_the_threads() {
        assert_eq!(queue_size(4), 64);
        assert_eq!(queue_size(usize::MAX), usize::MAX);
    }

    #[test]
    fn connections_take_half_of_the_descriptors() {
        for (descriptors, expected) in [
            (0, 1),
            (32, 1),
            (34, 1),
            (36, 2),
            (64, 16),
            (1024, 496),
            (65_536, 32_752),
            (1 << 20, 524_272),
            (1 << 30, 524_272),
            (u64::MAX, 524_272),
        ] {
            assert_eq!(max_connections(descriptors), expected, "{descriptors}");
        }
    }

    #[test]
    fn more_connections_than_descriptors_are_warned_of() {
        let host = host(None, None);
        assert_eq!((host.max_connections(), host.warning_of(992)), (496, None));
        let warning = host.warning_of(993).unwrap();
        assert!(warning.starts_with("--max-connections 993 is more than the limit of 1024 open files"), "{warning}");
    }

    #[test]
    fn buffers_take_a_quarter() {
        for (limit, machine, expected) in [
            (Some(512 * MIB), Some(64 * GIB), 128 * MIB),
            (Some(32 * GIB), Some(64 * GIB), 8 * GIB),
            (Some(1), None, MIB),
            (None, Some(2 * GIB), 512 * MIB),
            (None, Some(64 * GIB), GIB),
            (None, None, 256 * MIB),
        ] {
            assert_eq!(buffer_memory(limit, machine), expected, "{limit:?} {machine:?}");
        }
    }

    #[test]
    fn static_files_take_an_eighth_within_bounds() {
        for (memory, expected) in
            [(Some(64 * MIB), 16 * MIB), (Some(512 * MIB), 64 * MIB), (Some(64 * GIB), 256 * MIB), (None, 64 * MIB)]
        {
            assert_eq!(static_memory(memory), expected, "{memory:?}");
        }
    }

    #[test]
    fn a_limit_above_the_machine_is_no_limit() {
        let host = host(Some(64 * GIB), Some(8 * GIB));
        assert_eq!(host.buffer_memory(), GIB);
        assert_eq!(host.inputs(), "1.5 CPUs, no memory limit on a machine of 8g and 1024 descriptors");
    }

    #[test]
    fn a_change_of_limits_is_told() {
        let before = host(Some(512 * MIB), Some(8 * GIB));
        assert_eq!(before.change_to(&before.resized(None, Some(512 * MIB))), None);
        let change = |cpus, memory| before.change_to(&before.resized(cpus, memory)).unwrap();
        assert_eq!(
            change(Some(3.0), Some(GIB)),
            "the limits are 3 CPUs, a memory limit of 1g now, and were 1.5 CPUs, a memory limit of 512m"
        );
        assert!(change(None, None).starts_with("the limits are 1.5 CPUs, no memory limit on a machine of 8g now"));
    }

    #[test]
    fn a_container_listens_on_all_interfaces_and_logs_json() {
        let table = [
            (false, false, "127.0.0.1:8000", "none", LogFormat::Text),
            (false, true, "127.0.0.1:8000", "none", LogFormat::Text),
            (true, false, "0.0.0.0:8000", "0.0.0.0:9191", LogFormat::Json),
            (true, true, "0.0.0.0:8000", "0.0.0.0:9191", LogFormat::Text),
        ];
        for (in_container, stdout_is_terminal, bind, admin, format) in table {
            let host = Host { in_container, stdout_is_terminal, ..host(None, None) };
            assert_eq!(host.admin_bind().to_string(), admin);
            assert_eq!((host.bind().to_string().as_str(), host.log_format()), (bind, format));
        }
    }
}
