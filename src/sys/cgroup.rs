//! What the control groups, v1 and v2, allow this process: CPUs and memory.
//!
//! Called at the start, for the defaults of sizing, and while the server runs, as limits can be changed in place. Reads `/proc` and the cgroup file systems and changes nothing.
//! A limit counts wherever it stands between the process's own group and the top of what is mounted, and the tightest
//! wins, as the kernel enforces all of them. Never fails: what is missing, unlimited or unreadable is `None`.

use std::path::{Component, Path, PathBuf};

/// Above this, v1's `memory.limit_in_bytes` means none: the kernel shows `i64::MAX` rounded down to a page.
const UNLIMITED: u64 = 1 << 60;

/// What this process may use.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct CgroupLimits {
    /// CPUs, possibly a fraction: the tightest quota, or the CPUs the process may run on if those are fewer.
    pub cpus: Option<f64>,
    /// Bytes of memory: the tightest hard limit or, in v2, throttling mark (`memory.high`).
    pub memory: Option<u64>,
}

/// The limits of this process.
#[must_use]
pub fn limits() -> CgroupLimits {
    limits_below(Path::new("/"))
}

/// Bytes of memory that count against the tightest limit, or against this process's own group where there is none, and
/// that the kernel cannot take back at once: what kubelet calls the working set.
#[must_use]
pub fn memory_used() -> Option<u64> {
    memory_used_below(Path::new("/"))
}

/// Bytes of memory the machine has (`MemTotal` of `/proc/meminfo`).
#[must_use]
pub fn machine_memory() -> Option<u64> {
    machine_memory_below(Path::new("/"))
}

fn limits_below(root: &Path) -> CgroupLimits {
    let mut found = CgroupLimits { cpus: allowed_cpus(root), memory: None };
    for (version, group) in groups(root) {
        found.cpus = tighter(found.cpus, version.cpus(&group));
        found.memory = tighter(found.memory, version.memory(&group));
    }
    found
}

/// The groups this process is in, each with those above it, its own first.
fn groups(root: &Path) -> Vec<(Version, PathBuf)> {
    let memberships = read(&root.join("proc/self/cgroup")).unwrap_or_default();
    let mounts = read(&root.join("proc/self/mountinfo")).unwrap_or_default();
    mounts.lines().filter_map(Mount::parse).flat_map(|mount| mount.groups(root, &memberships)).collect()
}

fn memory_used_below(root: &Path) -> Option<u64> {
    let used = groups(root).into_iter().filter_map(|(version, group)| {
        let used = version.memory_used(&group)?;
        Some((version.memory(&group).unwrap_or(u64::MAX), used))
    });
    // Of several that are as tight, the first.
    used.min_by_key(|(limit, _)| *limit).map(|(_, used)| used)
}

fn machine_memory_below(root: &Path) -> Option<u64> {
    let text = read(&root.join("proc/meminfo"))?;
    let total = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    total.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// How many CPUs the affinity mask leaves, which cpusets narrow too (`Cpus_allowed_list`, such as `0-3,8`).
fn allowed_cpus(root: &Path) -> Option<f64> {
    let text = read(&root.join("proc/self/status"))?;
    let allowed = text.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?;
    let mut count = 0_u32;
    for range in allowed.trim().split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last): (u32, u32) = (first.parse().ok()?, last.parse().ok()?);
        count = count.checked_add(last.checked_sub(first)?.checked_add(1)?)?;
    }
    Some(f64::from(count))
}

fn read(path: &Path) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

fn tighter<N: PartialOrd>(one: Option<N>, other: Option<N>) -> Option<N> {
    match (one, other) {
        (Some(one), Some(other)) => Some(if other < one { other } else { one }),
        (one, other) => one.or(other),
    }
}

/// Which file names and formats a hierarchy speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

impl Version {
    fn cpus(self, group: &Path) -> Option<f64> {
        let (quota, period) = match self {
            Self::Two => {
                let text = read(&group.join("cpu.max"))?;
                let (quota, period) = text.trim().split_once(' ')?;
                (quota.to_owned(), period.to_owned())
            }
            Self::One => (read(&group.join("cpu.cfs_quota_us"))?, read(&group.join("cpu.cfs_period_us"))?),
        };
        // No quota is `max` in v2 and `-1` in v1: neither is an unsigned number.
        let (quota, period): (u32, u32) = (quota.trim().parse().ok()?, period.trim().parse().ok()?);
        (quota > 0 && period > 0).then(|| f64::from(quota) / f64::from(period))
    }

    fn memory(self, group: &Path) -> Option<u64> {
        let files: &[&str] = match self {
            Self::Two => &["memory.max", "memory.high"],
            Self::One => &["memory.limit_in_bytes"],
        };
        let limit = |file: &&str| read(&group.join(file))?.trim().parse::<u64>().ok();
        files.iter().filter_map(limit).filter(|bytes| (1..UNLIMITED).contains(bytes)).min()
    }
}

impl Version {
    fn memory_used(self, group: &Path) -> Option<u64> {
        let (file, idle) = match self {
            Self::Two => ("memory.current", "inactive_file "),
            Self::One => ("memory.usage_in_bytes", "total_inactive_file "),
        };
        let all: u64 = read(&group.join(file))?.trim().parse().ok()?;
        let stat = read(&group.join("memory.stat")).unwrap_or_default();
        let idle = stat.lines().find_map(|line| line.strip_prefix(idle)).and_then(|bytes| bytes.trim().parse().ok());
        Some(all.saturating_sub(idle.unwrap_or(0)))
    }
}

/// A mounted cgroup hierarchy.
#[derive(Debug)]
struct Mount {
    version: Version,
    /// The group that is mounted, as `/proc/self/cgroup` names groups.
    group: String,
    /// Where it is mounted.
    point: String,
    /// Mount options of the file system; in v1 they name the controllers.
    controllers: Vec<String>,
}

impl Mount {
    /// Reads a line of `/proc/self/mountinfo` (proc(5)); `None` if it is not of a cgroup hierarchy.
    fn parse(line: &str) -> Option<Self> {
        let (before, after) = line.split_once(" - ")?;
        let mut after = after.split(' ');
        let version = match after.next()? {
            "cgroup2" => Version::Two,
            "cgroup" => Version::One,
            _ => return None,
        };
        let controllers = after.nth(1).unwrap_or_default().split(',').map(str::to_owned).collect();
        let mut before = before.split(' ').skip(3).map(unescape);
        Some(Self { version, group: before.next()?, point: before.next()?, controllers })
    }

    /// The group this process is in, by `/proc/self/cgroup` (cgroups(7)): `0::PATH` in v2, `N:CONTROLLERS:PATH` in v1.
    fn membership<'a>(&self, memberships: &'a str) -> Option<&'a str> {
        memberships.lines().find_map(|line| {
            let (number, rest) = line.split_once(':')?;
            let (controllers, path) = rest.split_once(':')?;
            let ours = match self.version {
                Version::Two => number == "0" && controllers.is_empty(),
                Version::One => controllers.split(',').any(|name| self.limits_by(name)),
            };
            ours.then_some(path)
        })
    }

    fn limits_by(&self, controller: &str) -> bool {
        matches!(controller, "cpu" | "memory") && self.controllers.iter().any(|name| name == controller)
    }

    /// The directories from the process's own group up to the mount point.
    fn groups(&self, root: &Path, memberships: &str) -> Vec<(Version, PathBuf)> {
        let Some(path) = self.membership(memberships) else { return Vec::new() };
        let top = root.join(self.point.trim_start_matches('/'));
        // Without a cgroup namespace the path is the host's, of which the mount shows the part below its own group.
        // A path that is not below it (`/../other`, or a mount of another group) cannot be seen: the top must do.
        let below = Path::new(path).strip_prefix(&self.group).ok();
        let below = below.filter(|below| below.components().all(|part| matches!(part, Component::Normal(_))));
        let below = below.unwrap_or(Path::new(""));
        below.ancestors().map(|part| (self.version, top.join(part))).collect()
    }
}

/// Undoes mountinfo's octal escapes of space, tab, newline and backslash.
fn unescape(field: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .iter()
        .fold(field.to_owned(), |text, (escape, plain)| text.replace(escape, plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;
    const V2: &str = "30 23 0:26 {group} /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n";
    const V1_CPU: &str = "33 30 0:30 {group} /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n";
    const V1_MEMORY: &str = "34 30 0:31 {group} /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n";

    /// A tree of files under a temporary root.
    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        root
    }

    fn found(files: &[(&str, &str)]) -> (Option<f64>, Option<u64>) {
        let found = limits_below(tree(files).path());
        (found.cpus, found.memory)
    }

    fn mounted(line: &str, group: &str) -> String {
        line.replace("{group}", group)
    }

    #[test]
    fn v2_in_a_namespace_reads_the_top() {
        let limits = found(&[
            ("proc/self/cgroup", "0::/\n"),
            ("proc/self/mountinfo", &mounted(V2, "/")),
            ("sys/fs/cgroup/cpu.max", "150000 100000\n"),
            ("sys/fs/cgroup/memory.max", "536870912\n"),
            ("sys/fs/cgroup/memory.high", "max\n"),
        ]);
        assert_eq!(limits, (Some(1.5), Some(512 * MIB)));
    }

    #[test]
    fn v2_takes_the_tightest_on_the_way_up() {
        let limits = found(&[
            ("proc/self/cgroup", "0::/kubepods/pod1/app\n"),
            ("proc/self/mountinfo", &mounted(V2, "/")),
            ("sys/fs/cgroup/kubepods/pod1/app/cpu.max", "max 100000\n"),
            ("sys/fs/cgroup/kubepods/pod1/app/memory.max", "max\n"),
            ("sys/fs/cgroup/kubepods/pod1/cpu.max", "200000 100000\n"),
            ("sys/fs/cgroup/kubepods/pod1/memory.max", "1073741824\n"),
            ("sys/fs/cgroup/kubepods/memory.high", "268435456\n"),
            ("sys/fs/cgroup/kubepods/cpu.max", "400000 100000\n"),
            ("sys/fs/cgroup/kubepods/pod2/memory.max", "1048576\n"),
        ]);
        assert_eq!(limits, (Some(2.0), Some(256 * MIB)));
    }

    #[test]
    fn v1_without_a_namespace_strips_the_mounted_group() {
        let limits = found(&[
            ("proc/self/cgroup", "5:memory:/docker/abc/sub\n4:cpu,cpuacct:/docker/abc\n1:name=systemd:/x\n"),
            ("proc/self/mountinfo", &(mounted(V1_CPU, "/docker/abc") + &mounted(V1_MEMORY, "/docker/abc"))),
            ("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "50000\n"),
            ("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n"),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "134217728\n"),
            ("sys/fs/cgroup/memory/sub/memory.limit_in_bytes", "67108864\n"),
        ]);
        assert_eq!(limits, (Some(0.5), Some(64 * MIB)));
    }

    #[test]
    fn v1_without_limits_has_none() {
        let limits = found(&[
            ("proc/self/cgroup", "5:memory:/\n4:cpu,cpuacct:/\n"),
            ("proc/self/mountinfo", &(mounted(V1_CPU, "/") + &mounted(V1_MEMORY, "/"))),
            ("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1\n"),
            ("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n"),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
        ]);
        assert_eq!(limits, (None, None));
    }

    #[test]
    fn a_hybrid_host_counts_both_versions() {
        let limits = found(&[
            ("proc/self/cgroup", "5:memory:/a b\n0::/system\n"),
            (
                "proc/self/mountinfo",
                &("36 35 98:0 / / rw - ext4 /dev/root rw\n".to_owned()
                    + "34 30 0:31 / /sys/fs/cgroup/me\\040mory rw shared:9 - cgroup cgroup rw,memory\n"
                    + "35 30 0:26 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"),
            ),
            ("sys/fs/cgroup/me mory/a b/memory.limit_in_bytes", "134217728\n"),
            ("sys/fs/cgroup/unified/system/cpu.max", "300000 100000\n"),
        ]);
        assert_eq!(limits, (Some(3.0), Some(128 * MIB)));
    }

    #[test]
    fn a_group_outside_the_mount_reads_the_top_and_nothing_above() {
        for path in ["0::/../other\n", "0::/elsewhere\n"] {
            let limits = found(&[
                ("proc/self/cgroup", path),
                ("proc/self/mountinfo", &mounted(V2, if path.contains("..") { "/" } else { "/docker/abc" })),
                ("sys/fs/cgroup/memory.max", "67108864\n"),
                ("sys/fs/memory.max", "1\n"),
                ("sys/fs/other/memory.max", "1\n"),
            ]);
            assert_eq!(limits, (None, Some(64 * MIB)), "{path}");
        }
    }

    #[test]
    fn the_affinity_mask_bounds_the_quota() {
        for (allowed, quota, expected) in [
            ("0-3,8", "max 100000", Some(5.0)),
            ("0", "200000 100000", Some(1.0)),
            ("0-63", "250000 100000", Some(2.5)),
            ("3-1", "max 100000", None),
            ("x", "0 100000", None),
            ("0-4294967295", "1 0", None),
        ] {
            let limits = found(&[
                ("proc/self/status", &format!("Name:\tx\nCpus_allowed:\tff\nCpus_allowed_list:\t{allowed}\n")),
                ("proc/self/cgroup", "0::/\n"),
                ("proc/self/mountinfo", &mounted(V2, "/")),
                ("sys/fs/cgroup/cpu.max", quota),
            ]);
            assert_eq!(limits, (expected, None), "{allowed} {quota}");
        }
    }

    #[test]
    fn memory_is_used_of_the_tightest_limit_without_what_can_be_dropped() {
        let nested = [
            ("proc/self/cgroup", "0::/pod/app\n"),
            ("proc/self/mountinfo", &mounted(V2, "/")),
            ("sys/fs/cgroup/pod/app/memory.current", "1000\n"),
            ("sys/fs/cgroup/pod/app/memory.stat", "anon 1\ninactive_file 300\nactive_file 2\n"),
            ("sys/fs/cgroup/pod/memory.current", "5000\n"),
            ("sys/fs/cgroup/pod/memory.stat", "inactive_file 100\n"),
        ];
        assert_eq!(memory_used_below(tree(&nested).path()), Some(700), "no limit: its own");
        let limit = [("sys/fs/cgroup/pod/memory.max", "9000\n")];
        assert_eq!(memory_used_below(tree(&[&nested[..], &limit].concat()).path()), Some(4900));
        let v1 = [
            ("proc/self/cgroup", "5:memory:/docker/abc\n"),
            ("proc/self/mountinfo", &mounted(V1_MEMORY, "/docker/abc")),
            ("sys/fs/cgroup/memory/memory.usage_in_bytes", "1000\n"),
            ("sys/fs/cgroup/memory/memory.stat", "inactive_file 1\ntotal_inactive_file 250\n"),
        ];
        assert_eq!(memory_used_below(tree(&v1).path()), Some(750));
        assert_eq!(memory_used_below(tree(&[]).path()), None);
    }

    #[test]
    fn nothing_and_nonsense_are_unknown() {
        assert_eq!(found(&[]), (None, None));
        let nonsense = [
            ("proc/self/cgroup", "\0::\n:\n0"),
            ("proc/self/mountinfo", "a - cgroup2\n - cgroup2 x rw\n1 2 3 / /c rw - cgroup2 x rw\n"),
            ("c/cpu.max", "much"),
            ("c/memory.max", "0\n"),
        ];
        assert_eq!(found(&nonsense), (None, None));
    }

    #[test]
    fn the_machine_memory_is_in_meminfo() {
        let root = tree(&[("proc/meminfo", "MemFree: 1 kB\nMemTotal:       16384 kB\n")]);
        assert_eq!(machine_memory_below(root.path()), Some(16 * MIB));
        assert_eq!(machine_memory_below(tree(&[("proc/meminfo", "MemTotal: many kB\n")]).path()), None);
        assert_eq!(machine_memory_below(tree(&[]).path()), None);
    }
}
