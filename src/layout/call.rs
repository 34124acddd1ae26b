//! How a participant that cannot sleep on its bell's word wants to be called when the bell is rung.
//!
//! ```text
//!  63            32 31               9 8       2 1    0
//! +----------------+------------------+---------+------+   kind: 0 not at all, 1 by its semaphore, 2 by a signal
//! |     token      |    descriptor    | signal  | kind |   descriptor: the one that holds its lease
//! +----------------+------------------+---------+------+
//! ```
//!
//! The whole of it is one word, so whoever calls takes it by one swap: a participant is called once for each time that
//! it asked.

/// The highest signal number that the word has room for; systems have 64.
const SIGNAL_MAX: u32 = (1 << 7) - 1;
/// The highest descriptor that the word has room for.
const DESCRIPTOR_MAX: u32 = (1 << 23) - 1;

const SEMAPHORE: u64 = 1;
const SIGNAL: u64 = 2;

/// How a participant wants to be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    /// By a post of the semaphore in its line.
    Semaphore,
    /// By a signal.
    Signal(SignalCall),
}

/// A signal that a participant has asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SignalCall {
    /// The signal's number.
    pub(crate) signal: u32,
    /// The descriptor through which the participant's process holds its lease.
    pub(crate) descriptor: u32,
    /// What the signal is to carry.
    pub(crate) token: u32,
}

impl SignalCall {
    /// A call by `signal`; `None`: the descriptor, or the signal's number, is too high to be written down.
    pub(crate) fn new(signal: u32, descriptor: u32, token: u32) -> Option<SignalCall> {
        let fits = signal <= SIGNAL_MAX && descriptor <= DESCRIPTOR_MAX;
        fits.then_some(SignalCall { signal, descriptor, token })
    }
}

impl Call {
    pub(super) fn word(self) -> u64 {
        match self {
            Call::Semaphore => SEMAPHORE,
            Call::Signal(SignalCall { signal, descriptor, token }) => {
                SIGNAL | u64::from(signal) << 2 | u64::from(descriptor) << 9 | u64::from(token) << 32
            }
        }
    }

    /// What the word asks for; `None`: nothing, or nothing that is known.
    pub(super) fn parse(word: u64) -> Option<Call> {
        match word & 3 {
            SEMAPHORE => Some(Call::Semaphore),
            SIGNAL => Some(Call::Signal(SignalCall {
                signal: (word >> 2) as u32 & SIGNAL_MAX,
                descriptor: (word >> 9) as u32 & DESCRIPTOR_MAX,
                token: (word >> 32) as u32,
            })),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_come_back_as_they_went_in() {
        let highest = SignalCall::new(SIGNAL_MAX, DESCRIPTOR_MAX, u32::MAX).expect("it fits");
        let lowest = SignalCall::new(0, 0, 0).expect("it fits");
        for call in [Call::Semaphore, Call::Signal(highest), Call::Signal(lowest)] {
            assert_ne!(call.word(), 0);
            assert_eq!(Call::parse(call.word()), Some(call));
        }
        assert_eq!(Call::parse(0), None);
        assert_eq!(Call::parse(3), None);
    }

    #[test]
    fn what_the_word_has_no_room_for_is_refused() {
        assert_eq!(SignalCall::new(SIGNAL_MAX + 1, 0, 0), None);
        assert_eq!(SignalCall::new(1, DESCRIPTOR_MAX + 1, 0), None);
    }
}
