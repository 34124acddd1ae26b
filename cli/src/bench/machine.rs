//! The machine that was measured, and the choice of cores.

use std::fs;

use anyhow::{Context, Result, ensure};
use nix::sched::{CpuSet, sched_getaffinity};
use nix::unistd::Pid;
use serde::Serialize;

/// What a reader of the figures needs to know about the machine.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    /// The processor's name.
    pub processor: String,
    /// Cores that this process may use.
    pub cores: usize,
    /// The kernel's release.
    pub kernel: String,
    /// Whether it is a virtual machine: the distance between cores may then change at any time.
    pub virtual_machine: bool,
    /// The cores that the sender and the receiver are pinned to; none if there is only one.
    pub pinned: Option<[usize; 2]>,
}

impl Machine {
    /// Looks at the machine; pins to `wanted` or else to the first two cores that share no execution units.
    pub fn look(wanted: Option<[usize; 2]>) -> Result<Self> {
        let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
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
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned(),
            virtual_machine: field(&info, "flags")
                .is_some_and(|flags| flags.split(' ').any(|flag| flag == "hypervisor")),
            pinned: wanted.or_else(|| choose(&allowed, siblings)),
        })
    }
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
    fn siblings_are_avoided_while_there_are_others() {
        assert_eq!(choose(&[0, 1, 2], |_| vec![0, 1]), Some([0, 2]));
        assert_eq!(choose(&[0, 1], |_| vec![0, 1]), Some([0, 1]));
        assert_eq!(choose(&[0], |_| vec![0]), None);
    }
}
