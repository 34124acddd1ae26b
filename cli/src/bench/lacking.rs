//! What this system does not have, and why.

use std::collections::BTreeSet;
use std::os::fd::OwnedFd;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::plan::{Group, Mechanism};
use super::system_v::Objects;
use super::{ends, memory, message_queue, python};

/// A mechanism that was asked for and could not be measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LeftOut {
    /// Which.
    pub mechanism: Mechanism,
    /// Why.
    pub reason: String,
}

/// The mechanisms in `groups` that this system does not have, or not with rings as large as theirs.
pub fn among(groups: &[Group]) -> Vec<LeftOut> {
    let ring_bytes = groups.iter().map(|group| group.ring_bytes).max().unwrap_or_default();
    let asked: BTreeSet<Mechanism> =
        groups.iter().flat_map(|group| group.mechanisms.iter().copied()).collect();
    let lacks = |mechanism| {
        let reason = format!("{:#}", try_out(mechanism, ring_bytes).err()?);
        Some(LeftOut { mechanism, reason })
    };
    asked.into_iter().filter_map(lacks).collect()
}

/// Makes what a mechanism needs, and lets go of it.
fn try_out(mechanism: Mechanism, ring_bytes: usize) -> Result<()> {
    let reserved = |memory: OwnedFd| memory::reserve(memory, ring_bytes);
    let name = format!("bench-{}-trial", std::process::id());
    match mechanism {
        Mechanism::Fifo => ends::fifos(&name).map(drop),
        Mechanism::Tcp => ends::tcp().map(drop),
        Mechanism::Udp => ends::udp().map(drop),
        Mechanism::MessageQueue => message_queue::pair(&name).map(drop),
        Mechanism::SystemVQueue | Mechanism::SystemVRing => Objects::create(ring_bytes).map(drop),
        Mechanism::PosixRing => ends::posix_memory(&name, ring_bytes).and_then(reserved),
        Mechanism::FutexRing => ends::mapped_file(&name, ring_bytes).and_then(reserved),
        _ if mechanism.is_python() => python::look(),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::plan::Pattern;

    #[test]
    fn what_every_system_has_is_not_left_out() {
        let mechanisms = vec![Mechanism::T, Mechanism::Spin, Mechanism::Pipe];
        assert!(
            among(&[Group { pattern: Pattern::Single, size: 8, ring_bytes: 64 << 10, mechanisms }])
                .is_empty()
        );
    }
}
