//! The machine that was measured, and the choice of cores.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use nix::sched::{CpuSet, sched_getaffinity};
use nix::sys::statvfs::statvfs;
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

/// Where the kernel describes its first core; the others are taken to be like it.
const CORE: &str = "/sys/devices/system/cpu/cpu0";

/// What a reader of the figures needs to know about the machine and the build.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// The processor's name.
    pub processor: String,
    /// Cores that this process may use.
    pub cores: usize,
    /// Data and unified caches of a core, the smallest first.
    pub caches: Vec<Cache>,
    /// The kernel's release.
    pub kernel: String,
    /// Whether it is a virtual machine: the distance between cores may then change at any time.
    pub virtual_machine: bool,
    /// What the firmware calls the machine, or the machine that plays it.
    pub product: Option<String>,
    /// How the kernel chooses the core's frequency; `None` where that is not the kernel's to choose.
    pub governor: Option<String>,
    /// Whether cores may go beyond their base frequency, where the kernel knows.
    pub turbo: Option<bool>,
    /// Memory, bytes.
    pub memory_bytes: u64,
    /// Size of /dev/shm, bytes.
    pub shm_bytes: Option<u64>,
    /// What the kernel's clock reads.
    pub clock: Option<String>,
    /// The compiler of this build.
    pub compiler: String,
    /// The profile of this build.
    pub profile: String,
    /// The cores that the sender and the receiver are pinned to; none if there is only one.
    pub pinned: Option<[usize; 2]>,
}

/// One cache.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cache {
    /// 1 is the nearest.
    pub level: u8,
    /// Bytes.
    pub bytes: u64,
    /// Cores that share it.
    pub sharers: usize,
}

impl Machine {
    /// Looks at the machine; pins to `wanted` or else to the first two cores that share no execution units.
    pub fn look(wanted: Option<[usize; 2]>) -> Result<Self> {
        let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let allowed = allowed_cores()?;
        if let Some(cores) = wanted {
            ensure!(cores[0] != cores[1], "--cores needs two different cores");
            for core in cores {
                ensure!(
                    allowed.contains(&core),
                    "core {core} is not among those this process may use: {allowed:?}"
                );
            }
        }
        Ok(Self {
            processor: field(&info, "model name").unwrap_or("unknown").to_owned(),
            cores: allowed.len(),
            caches: caches(&Path::new(CORE).join("cache")),
            kernel: word("/proc/sys/kernel/osrelease").unwrap_or_default(),
            virtual_machine: field(&info, "flags")
                .is_some_and(|flags| flags.split(' ').any(|flag| flag == "hypervisor")),
            product: word("/sys/class/dmi/id/product_name"),
            governor: word(&format!("{CORE}/cpufreq/scaling_governor")),
            turbo: turbo(
                word("/sys/devices/system/cpu/intel_pstate/no_turbo").as_deref(),
                word("/sys/devices/system/cpu/cpufreq/boost").as_deref(),
            ),
            memory_bytes: field(&memory, "MemTotal").map_or(0, kibibytes),
            shm_bytes: statvfs("/dev/shm").ok().map(|fs| fs.blocks() * fs.fragment_size()),
            clock: word("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
            compiler: env!("RINGWAY_COMPILER").to_owned(),
            profile: env!("RINGWAY_PROFILE").to_owned(),
            pinned: wanted.or_else(|| choose(&allowed, siblings)),
        })
    }

    /// Everything there is to say, each with what it is about.
    pub fn facts(&self) -> Vec<(&'static str, String)> {
        let binary = |bytes: u64| bytesize::ByteSize(bytes).display().iec().to_string();
        let cores = format!("{} usable", self.cores);
        let caches = self.caches.iter().map(|cache| {
            let shared =
                if cache.sharers > 1 { format!(" for {} cores", cache.sharers) } else { String::new() };
            format!("L{} {}{shared}", cache.level, binary(cache.bytes))
        });
        let kind = if self.virtual_machine { "virtual machine" } else { "bare metal" };
        let product = self.product.as_ref().map_or(String::new(), |name| format!(", {name}"));
        let turbo = self.turbo.map_or("not to be had", |on| if on { "on" } else { "off" });
        vec![
            ("Processor", self.processor.clone()),
            (
                "Cores",
                self.pinned
                    .map_or(cores.clone(), |[a, b]| format!("{cores}; sender on {a}, receiver on {b}")),
            ),
            ("Caches", caches.collect::<Vec<_>>().join(", ")),
            ("Machine", format!("{kind}{product}")),
            ("Kernel", format!("Linux {}", self.kernel)),
            ("Governor, turbo", format!("{}, {turbo}", self.governor.as_deref().unwrap_or("not to be had"))),
            ("Memory", binary(self.memory_bytes)),
            ("/dev/shm", self.shm_bytes.map_or("none".to_owned(), binary)),
            ("Clock", self.clock.clone().unwrap_or_else(|| "unknown".to_owned())),
            ("Build", format!("{}, {}", self.compiler, self.profile)),
        ]
    }

    /// What differs between this machine and `other`: what it is about, here and there.
    pub fn differences(&self, other: &Self) -> Vec<(&'static str, String, String)> {
        let pairs = self.facts().into_iter().zip(other.facts());
        pairs.filter(|(a, b)| a.1 != b.1).map(|((about, here), (_, there))| (about, here, there)).collect()
    }
}

/// The first line of a file of the kernel's, unless there is none.
fn word(path: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().next()?.trim();
    (!line.is_empty()).then(|| line.to_owned())
}

/// Whether turbo is on: Intel's driver says when it is not, the others when it is.
fn turbo(forbidden: Option<&str>, allowed: Option<&str>) -> Option<bool> {
    forbidden.map(|flag| flag == "0").or(allowed.map(|flag| flag == "1"))
}

/// Bytes out of the kernel's "96 kB" or "96K", which both mean KiB.
fn kibibytes(text: &str) -> u64 {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    digits.parse::<u64>().unwrap_or(0) << 10
}

/// The caches in a folder of the kernel's, but for those of instructions.
fn caches(folder: &Path) -> Vec<Cache> {
    let one = |entry: fs::DirEntry| {
        let read = |name: &str| word(entry.path().join(name).to_str()?);
        (read("type")? != "Instruction").then_some(())?;
        let sharers = parse_list(&read("shared_cpu_list")?).len();
        Some(Cache { level: read("level")?.parse().ok()?, bytes: kibibytes(&read("size")?), sharers })
    };
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut caches: Vec<Cache> = entries.filter_map(one).collect();
    caches.sort_by_key(|cache| cache.level);
    caches
}

/// The cores that this process may run on.
fn allowed_cores() -> Result<Vec<usize>> {
    let set = sched_getaffinity(Pid::from_raw(0)).context("cannot read the affinity")?;
    Ok((0..CpuSet::count()).filter(|&core| set.is_set(core).unwrap_or(false)).collect())
}

/// The first core and the first other one that is not a sibling of it; a sibling if there is nothing else.
fn choose(allowed: &[usize], siblings: impl Fn(usize) -> Vec<usize>) -> Option<[usize; 2]> {
    let (&first, others) = allowed.split_first()?;
    let near = siblings(first);
    let second = others.iter().find(|core| !near.contains(core)).or(others.first())?;
    Some([first, *second])
}

/// The cores that share execution units with `core`, as the kernel lists them ("0,64" or "0-1").
fn siblings(core: usize) -> Vec<usize> {
    let path = format!("/sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list");
    parse_list(fs::read_to_string(path).unwrap_or_default().trim())
}

/// Parses the kernel's list of cores.
fn parse_list(list: &str) -> Vec<usize> {
    let range = |part: &str| {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        Some(from.parse().ok()?..=to.parse().ok()?)
    };
    list.split(',').filter_map(range).flatten().collect()
}

/// The value of the first line `name : value` of /proc/cpuinfo.
fn field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    let (_, value) =
        info.lines().filter_map(|line| line.split_once(':')).find(|(key, _)| key.trim() == name)?;
    Some(value.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_cores_are_read() {
        assert_eq!(parse_list("0-2,8"), [0, 1, 2, 8]);
        assert_eq!(parse_list("3"), [3]);
        assert!(parse_list("").is_empty());
    }

    #[test]
    fn caches_are_those_of_data() {
        let folder = tempfile::tempdir().unwrap();
        for (index, (level, kind, size, cores)) in
            [(3, "Unified", "32768K", "0-3"), (1, "Instruction", "32K", "0"), (1, "Data", "48K", "0")]
                .iter()
                .enumerate()
        {
            let cache = folder.path().join(format!("index{index}"));
            fs::create_dir(&cache).unwrap();
            let files =
                [("level", level.to_string()), ("type", kind.to_string()), ("size", size.to_string())];
            for (name, text) in files.into_iter().chain([("shared_cpu_list", cores.to_string())]) {
                fs::write(cache.join(name), text + "\n").unwrap();
            }
        }
        let cache = |level, bytes, sharers| Cache { level, bytes, sharers };
        assert_eq!(caches(folder.path()), [cache(1, 48 << 10, 1), cache(3, 32 << 20, 4)]);
        assert!(caches(&folder.path().join("none")).is_empty());
    }

    #[test]
    fn turbo_is_told_by_either_driver() {
        assert_eq!(turbo(Some("0"), None), Some(true));
        assert_eq!((turbo(None, Some("0")), turbo(None, None)), (Some(false), None));
    }

    #[test]
    fn machines_are_told_apart() {
        let here = Machine::look(None).unwrap();
        assert!(here.differences(&here).is_empty());
        let there = Machine { kernel: "1.0".to_owned(), ..here.clone() };
        assert_eq!(
            here.differences(&there),
            [("Kernel", format!("Linux {}", here.kernel), "Linux 1.0".to_owned())]
        );
        assert!(here.memory_bytes > 0 && here.compiler.starts_with("rustc"));
    }

    #[test]
    fn siblings_are_avoided_while_there_are_others() {
        assert_eq!(choose(&[0, 1, 2], |_| vec![0, 1]), Some([0, 2]));
        assert_eq!(choose(&[0, 1], |_| vec![0, 1]), Some([0, 1]));
        assert_eq!(choose(&[0], |_| vec![0]), None);
    }
}
