//! The ways to get the protocol wrong that the model must notice.

/// One departure from the protocol, for all processes of a configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A walker that meets a newer word starts again from the hint instead of stepping on.
    RetryOnNewer,
    /// Every lap that a signed comparison calls older is taken for the one before.
    SignedOlder,
    /// A jump over the laps slept through goes one lap too far.
    JumpTooFar,
    /// Laps are not compared.
    LapIgnored,
    /// Release stamps the first word of a span only.
    InnerUnstamped,
    /// Release stamps the first word before the inner ones.
    FirstStampedFirst,
    /// A claim does not look at the inner words.
    ClaimUnchecked,
    /// A pad does not look at the inner words.
    PadUnchecked,
    /// A pad moves the producer and the hint, and leaves the slots as they are.
    PadHintOnly,
    /// A claim is stored instead of compared and swapped.
    ClaimByStore,
    /// An owner whose lease was free a moment ago is repaired, by CAS, without holding the lease.
    RepairWithoutLease,
    /// An owner is taken for dead after some time.
    TimeoutForDeath,
    /// Repair acts on the word read before the lease was taken.
    DecideBeforeLease,
    /// A producer hands a dead consumer's message back as `Ready`.
    RequeueUnmarked,
    /// The same, with a mark in the message.
    RequeueMarked,
    /// The same, with a mark, and the head set back to it; consumers start from the hint alone.
    RequeueRewound,
    /// A consumer releases an aborted span without taking it first.
    AbortedUntaken,
    /// An adopted message is delivered like any other.
    AdoptedUnmarked,
    /// A sweep adopts one message of a dead consumer and drops the lease.
    AdoptOnlyFirst,
    /// Consumers pass a span that is being written.
    PassWriting,
    /// Consumers sweep when they meet a span being written, but not when they find nothing.
    NoSweepOnNothing,
    /// A participant does not sweep the id that it was given.
    OwnIdUnswept,
    /// A consumer reads the words before it looks whether a producer lives.
    SurveyFirst,
    /// A batch's first word is stored before those inside.
    BatchFirstWordFirst,
    /// The slots that a batch did not need stay `Free`.
    BatchRestFree,
    /// The starts inside a batch stay `Free`.
    BatchInnerFree,
}
