//! What was chosen, and why.

use std::fmt;

use crate::channel::Backing;

/// What carries the messages of a connection, and why that. Its text says both.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Transport {
    /// What carries them.
    pub carrier: Carrier,
    /// Why that.
    pub why: Why,
}

/// What can carry messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Carrier {
    /// A ring in shared memory.
    Ring(Backing),
    /// A FIFO.
    Fifo,
    /// A Unix stream socket.
    Socket,
    /// Standard output or input.
    Stdio,
}

/// Why it was chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Why {
    /// The address says so.
    Named,
    /// It is the best.
    Best,
    /// Memory cannot be shared: what stands in the way.
    NoMemory {
        /// At this side.
        here: Option<String>,
        /// At the other side, by its own account.
        there: Option<String>,
    },
}

impl Transport {
    pub(super) fn named(carrier: Carrier) -> Transport {
        Transport { carrier, why: Why::Named }
    }

    pub(super) fn memory() -> Transport {
        Transport { carrier: Carrier::Ring(Backing::Fd), why: Why::Best }
    }

    pub(super) fn socket(here: Option<String>, there: Option<String>) -> Transport {
        Transport { carrier: Carrier::Socket, why: Why::NoMemory { here, there } }
    }

    /// Are messages in memory that both sides share?
    pub fn is_memory(&self) -> bool {
        matches!(self.carrier, Carrier::Ring(_))
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.carrier, &self.why) {
            (Carrier::Ring(_), Why::Best) => "a ring in memory that was handed over",
            (Carrier::Ring(Backing::Shm), _) => "a ring in POSIX shared memory",
            (Carrier::Ring(Backing::File), _) => "a ring in a file",
            (Carrier::Ring(_), _) => "a ring in memory",
            (Carrier::Fifo, _) => "a FIFO",
            (Carrier::Socket, _) => "a Unix socket",
            (Carrier::Stdio, _) => "standard input and output",
        })?;
        let Why::NoMemory { here, there } = &self.why else { return Ok(()) };
        f.write_str(", since memory cannot be shared")?;
        for (side, why) in [("here", here), ("at the other side", there)] {
            if let Some(why) = why {
                write!(f, "; {side}: {why}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_what_stood_in_the_way() {
        let texts = [
            Transport::named(Carrier::Fifo),
            Transport::memory(),
            Transport::socket(Some("full".into()), None),
            Transport::socket(None, Some("told not to".into())),
        ]
        .map(|transport| transport.to_string());
        assert_eq!(
            texts,
            [
                "a FIFO",
                "a ring in memory that was handed over",
                "a Unix socket, since memory cannot be shared; here: full",
                "a Unix socket, since memory cannot be shared; at the other side: told not to",
            ]
        );
    }
}
