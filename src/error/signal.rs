//! What is wrong with a signal.

/// A signal that cannot tell of data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignalError {
    /// There is no such real-time signal.
    #[error("there is no real-time signal SIGRTMIN+{above}; the last one is SIGRTMIN+{last}")]
    NoSuchRealtime {
        /// What was asked for.
        above: u32,
        /// The last that there is.
        last: u32,
    },
    /// The number is no signal's, or that of a signal with a meaning of its own.
    #[error("signal {number} cannot tell of data; use SIGUSR1, SIGUSR2 or a real-time signal")]
    Reserved {
        /// What was asked for.
        number: i32,
    },
}
