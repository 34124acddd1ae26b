//! Why a ring cannot be opened.

use std::io;

use super::{AddressError, Corrupt, remedy, who};
use crate::layout::{Role, Side};
/// Why a ring could not be created, opened or attached to. Nothing is left behind, nobody else's file was
/// touched, and the next attempt starts afresh.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The address names no ring.
    #[error("bad address: {0}")]
    Address(#[from] AddressError),
    /// There is no such ring, and creating one was not asked for.
    #[error("no ring at {place}; start the other side, or allow this one to create it")]
    NotFound {
        /// Where it was looked for.
        place: String,
    },
    /// A ring of that name exists, and a new one was asked for.
    #[error("{place} exists already; open it, or remove it first (`ringway rm`)")]
    Exists {
        /// Where it is.
        place: String,
    },
    /// The ring has a live producer (or consumer) already, and takes one.
    #[error("{place} has a {role} already: {}; a ring takes one {role}, so end that process or use another name", who(*pid))]
    AlreadyAttached {
        /// Which ring.
        place: String,
        /// The role that is taken.
        role: Role,
        /// Who holds it, by its own account (for diagnosis only: pids differ across PID namespaces); 0: it has
        /// not said yet.
        pid: u32,
    },
    /// Both sides of the duplex live: there is no third.
    #[error(
        "{place} has both its sides already: the first is {}, the second {}; a duplex joins two, so end one of them or use another name", who(pids[0]), who(pids[1])
    )]
    NoSide {
        /// Which duplex.
        place: String,
        /// Who they are, by their own account; 0: one has not said yet.
        pids: [u32; 2],
    },
    /// The side of the duplex that was asked for is taken.
    #[error(
        "{place} has its {side} side already: {}; end that process, take the {} side, or use another name", who(*pid), side.other()
    )]
    SideTaken {
        /// Which duplex.
        place: String,
        /// The side asked for.
        side: Side,
        /// Who has it, by its own account; 0: it has not said yet.
        pid: u32,
    },
    /// As many participants live as the ring takes.
    #[error(
        "{place} has {places} {role}s already, as many as it was created for; end one, or create the ring for more participants"
    )]
    NoPlace {
        /// Which ring.
        place: String,
        /// The role whose places are taken.
        role: Role,
        /// How many there are.
        places: u32,
    },
    /// The ring has live participants, so removing it was refused.
    #[error("{place} is in use by its {role}, {}; end that process, or remove the ring with force", who(*pid))]
    InUse {
        /// Which ring.
        place: String,
        /// One who uses it.
        role: Role,
        /// Who holds it, by its own account.
        pid: u32,
    },
    /// A durable ring was asked for where there can be none, or the ring that is there is not durable.
    #[error(
        "{place} is not durable: only a ring in a file (file:/path) can be, and only if it was created so; name a file, or remove the ring and create it with durable(true)"
    )]
    NotDurable {
        /// Which ring.
        place: String,
    },
    /// The ring holds messages from before the machine was started, and was not created durable, so nothing can tell
    /// whether they are whole.
    #[error(
        "{place} holds messages from an earlier boot of this machine, which may be damaged, since the ring is not durable; remove it (`ringway rm`), or take them as they are with earlier_boot(true)"
    )]
    EarlierBoot {
        /// Which ring.
        place: String,
    },
    /// A descriptor that cannot be used, or that cannot be had.
    #[error("{place} has no usable descriptor: {why}; name the ring instead, or create it anew")]
    NoDescriptor {
        /// Which descriptor, or of what.
        place: String,
        /// Why not.
        why: &'static str,
    },
    /// Memory handed in to host a ring holds none.
    #[error(
        "the memory given to host the ring holds none: {found}; let one side format it with create_new, before the other attaches"
    )]
    Unformatted {
        /// What it begins with.
        found: String,
    },
    /// The file system has not room for the ring; nothing was created.
    #[error(
        "no room for {place}: the ring needs {need} bytes, {available} are free in {directory}; make the ring smaller, free space, or enlarge the file system (for /dev/shm: mount -o remount,size=… /dev/shm, or --shm-size in a container)"
    )]
    NoSpace {
        /// Which ring.
        place: String,
        /// The directory or kind of memory.
        directory: String,
        /// Bytes that the whole segment takes.
        need: u64,
        /// Bytes that are free.
        available: u64,
    },
    /// A resource limit of this process forbids it; nothing was created.
    #[error(
        "the limit {limit} allows {allowed}, the ring needs {need}; raise it (ulimit) or make the ring smaller"
    )]
    Limit {
        /// The name of the limit.
        limit: &'static str,
        /// What it allows.
        allowed: u64,
        /// What is needed.
        need: u64,
    },
    /// A size or another option that no ring can have.
    #[error("{option} {asked} is not possible: {rule}")]
    Option {
        /// Which option.
        option: &'static str,
        /// What was asked for.
        asked: u64,
        /// What is possible.
        rule: &'static str,
    },
    /// The name leads to something that is not a regular file.
    #[error(
        "{place} is {found}, expected a regular file; it was left alone: choose another name or remove it yourself"
    )]
    NotAFile {
        /// Which name.
        place: String,
        /// What is there.
        found: &'static str,
    },
    /// The file is not a ringway segment.
    #[error("{place} is not a ringway segment: {found}; it was left alone: choose another name")]
    NotASegment {
        /// Which file.
        place: String,
        /// What its beginning holds.
        found: String,
    },
    /// The file belongs to another user.
    #[error(
        "{place} belongs to uid {found}, expected uid {expected}; if that user is trusted, say so with owner(Owner::Uid({found}))"
    )]
    ForeignOwner {
        /// Which file.
        place: String,
        /// Its owner.
        found: u32,
        /// The owner expected.
        expected: u32,
    },
    /// What is to carry a stream of frames cannot.
    #[error(
        "{place} is {found}, expected {expected}; choose another descriptor or path, or make one (ringway makes a FIFO where nothing is)"
    )]
    NotAPipe {
        /// Which descriptor or path.
        place: String,
        /// What it is.
        found: &'static str,
        /// What would do.
        expected: &'static str,
    },
    /// The file's mode lets in more users than expected.
    #[error(
        "{place} has mode {found:04o}, expected at most {expected:04o}; if those users are trusted, ask for that mode"
    )]
    Mode {
        /// Which file.
        place: String,
        /// Its mode.
        found: u32,
        /// The mode expected.
        expected: u32,
    },
    /// The segment was written by another version of ringway.
    #[error(
        "{place} has layout version {found}, this ringway reads version {expected}; use the same version on both sides, or remove the ring"
    )]
    LayoutVersion {
        /// Which segment.
        place: String,
        /// Its version.
        found: u32,
        /// The version of this crate.
        expected: u32,
    },
    /// The segment holds another kind of ring.
    #[error("{place} is of kind {found}, expected {expected}; open it as what it is, or use another name")]
    Kind {
        /// Which segment.
        place: String,
        /// Its kind.
        found: String,
        /// The kind asked for.
        expected: &'static str,
    },
    /// The ring was handed over to be used in the other role.
    #[error(
        "{place} was handed over to a {found}, not to a {expected}; call `{found}`, or have it given for a {expected}"
    )]
    Role {
        /// Which ring.
        place: String,
        /// The role that the giver named.
        found: Role,
        /// The role asked for.
        expected: Role,
    },
    /// The ring carries another type of message.
    #[error("{place} carries {found}, this side expects {expected}; first difference: {difference}")]
    Type {
        /// Which ring.
        place: String,
        /// The structure of its messages, or "untyped bytes".
        found: String,
        /// The structure expected.
        expected: String,
        /// Where the two part.
        difference: String,
    },
    /// The file is shorter or longer than its header says.
    #[error(
        "{place} is {found} bytes long, its header says {expected}; it was truncated or is being written: remove it (`ringway rm`)"
    )]
    Length {
        /// Which segment.
        place: String,
        /// Its length.
        found: u64,
        /// The length its header gives.
        expected: u64,
    },
    /// A field of the header is outside what is allowed.
    #[error("{place}: {corrupt}")]
    Corrupt {
        /// Which segment.
        place: String,
        /// Which field.
        corrupt: Corrupt,
    },
    /// A memfd lacks a seal, so its length could change under a reader.
    #[error(
        "{place} is not sealed against {missing}; create the pair with ringway, or add the seals SHRINK, GROW and SEAL"
    )]
    NotSealed {
        /// Which descriptor.
        place: String,
        /// The seals that are missing.
        missing: String,
    },
    /// Memory handed in to host a ring is too small or not aligned.
    #[error("the memory given to host the ring has {what} {found}, needed is {needed}")]
    Memory {
        /// Length or alignment.
        what: &'static str,
        /// What it has.
        found: u64,
        /// What is needed.
        needed: u64,
    },
    /// Somebody held the membership lock for too long: a process stopped in the middle of joining or leaving.
    #[error(
        "{place} is busy: a process that joins or leaves it has not finished within {seconds} s; it may be stopped: continue or end it"
    )]
    Busy {
        /// Which segment.
        place: String,
        /// How long it was waited.
        seconds: u64,
    },
    /// A system call failed.
    #[error("{call} {place}: {source}{}", remedy(source))]
    System {
        /// The system call.
        call: &'static str,
        /// On what.
        place: String,
        /// What the system said.
        source: io::Error,
    },
}

impl From<std::convert::Infallible> for OpenError {
    fn from(never: std::convert::Infallible) -> Self {
        match never {}
    }
}
