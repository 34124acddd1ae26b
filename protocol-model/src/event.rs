//! What a configuration is explored for: proof that it comes about at all.

/// Something worth noting that a step did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Event {
    /// A pad filled the end of the ring.
    Padded,
    /// A batch was split into several messages, or a message and a rest.
    Split,
    /// A walker jumped over laps that it had slept through.
    Jumped,
    /// A dead producer's claim was aborted.
    Tombstone,
    /// A dead consumer's message was adopted.
    Adopted,
    /// An adopted message was delivered to its end.
    Redelivered,
    /// A dead one's release was taken up.
    Finished,
    /// A dead consumer's message was dropped.
    Dropped,
    /// A new participant found a word with its id.
    Inherited,
    /// A consumer said that nothing would come.
    Ended,
}
