//! What can go wrong, one small enum per moment: opening, sending, receiving.
//!
//! Every text says what was found, what was expected, and what to do.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use nix::errno::Errno;

use crate::layout::{Role, Side};

/// A word in shared memory, or in a stream, that this protocol never writes: a peer is broken or hostile, or the segment
/// was damaged. The endpoint that met it stays where it is and meets it again; no other endpoint is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "corrupt segment or stream: {what} is {found:#x}, which this protocol never writes there (limit {allowed:#x}); remove the ring and create it anew, or close the stream"
)]
pub struct Corrupt {
    /// What was read.
    pub what: &'static str,
    /// The value found.
    pub found: u64,
    /// The limit, or the value expected, there.
    pub allowed: u64,
}

/// An address that names no ring.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// A shared-memory name that is empty.
    #[error("an empty name; give a name such as \"camera\", or file:/path, or fd:N")]
    Empty,
    /// A shared-memory name that is too long for the file system.
    #[error("the name is {len} bytes long, at most {max} fit; shorten it")]
    TooLong {
        /// Bytes of the name given.
        len: usize,
        /// Bytes that fit.
        max: usize,
    },
    /// A shared-memory name with a character that is not allowed.
    #[error(
        "the name {name:?} has the character {found:?}; allowed are letters, digits, '.', '_' and '-' (for a path, write file:{name})"
    )]
    Character {
        /// The name given.
        name: String,
        /// Its first character that is not allowed.
        found: char,
    },
    /// A scheme that does not exist.
    #[error("unknown scheme {scheme:?}; known are shm:NAME, file:/path and fd:N")]
    Scheme {
        /// The scheme given.
        scheme: String,
    },
    /// A scheme that names no transport.
    #[error(
        "unknown scheme {scheme:?}; known are auto:NAME, auto:/path, unix:/path, shm:NAME, file:/path, fd:N, fifo:/path and stdio:"
    )]
    NoTransport {
        /// The scheme given.
        scheme: String,
    },
    /// A file path that cannot name a file.
    #[error("the path {path:?} does not name a file; write file:/directory/name")]
    Path {
        /// The path given.
        path: PathBuf,
    },
    /// A descriptor that is not a number.
    #[error("{found:?} is not a file descriptor; write fd:N with a number")]
    Descriptor {
        /// What was given.
        found: String,
    },
}

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

/// A process in a message.
fn who(pid: u32) -> String {
    if pid == 0 { "a process that is just attaching".to_owned() } else { format!("process {pid}") }
}

/// What to do about a failed system call, where that can be said.
fn remedy(error: &io::Error) -> &'static str {
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::ENOMEM) => {
            "; free memory, raise the limit on address space (ulimit -v), or make the ring smaller"
        }
        Some(Errno::EMFILE) => "; raise the limit on open files (ulimit -n) or close some",
        Some(Errno::ENFILE) => "; the whole system is out of open files",
        Some(Errno::EACCES | Errno::EPERM) => "; check who may read and write there",
        Some(Errno::EROFS) => "; choose a directory that can be written to",
        Some(Errno::EBADF) => "; check that the descriptor is open",
        Some(Errno::ENOENT) => "; check that the directory exists (and that /proc is mounted)",
        _ => "",
    }
}

impl From<std::convert::Infallible> for OpenError {
    fn from(never: std::convert::Infallible) -> Self {
        match never {}
    }
}

/// Why there is no connection. Nothing is left behind, and the next attempt starts afresh.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The address is none, or what it names cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The time was up before anybody came to the other side.
    #[error(
        "nobody came to {place} in time; start the other side as the same user, with the same address, or allow more time with timeout(…)"
    )]
    Nobody {
        /// Where it was waited.
        place: String,
    },
    /// A consumer waits there already.
    #[error("a consumer waits at {place} already; end that process, or use another address")]
    Taken {
        /// Where it waits.
        place: String,
    },
    /// The path is something that no socket is to replace.
    #[error("{place} exists and is no socket; it was left alone: choose another path or remove it yourself")]
    NotASocket {
        /// Which path.
        place: String,
    },
    /// Another user's process listens there, or its socket has the path.
    #[error(
        "{place} is uid {found}'s, expected uid {expected}; if that user is trusted, say so with owner(Owner::Uid({found}))"
    )]
    Stranger {
        /// Where.
        place: String,
        /// The user there.
        found: u32,
        /// The user expected.
        expected: u32,
    },
    /// What is at the other side does not greet as this protocol does.
    #[error(
        "at {place} somebody says {found:?}, expected {expected:?}: it is no connection of ringway's; use another address"
    )]
    Foreign {
        /// Where.
        place: String,
        /// What it said, escaped.
        found: String,
        /// How a greeting begins.
        expected: String,
    },
    /// The other side is another version of ringway.
    #[error(
        "at {place} version {found} of a connection is spoken, this ringway speaks {expected}; use the same version on both sides"
    )]
    Version {
        /// Where.
        place: String,
        /// Its version.
        found: u32,
        /// The version of this crate.
        expected: u32,
    },
    /// The ring was not handed over.
    #[error("no ring came through {place}: {error}")]
    Handover {
        /// Where.
        place: String,
        /// Why not.
        error: HandoverError,
    },
    /// Memory cannot be shared, and one side uses nothing else.
    #[error(
        "nothing carries messages at {place}, since memory cannot be shared and one side uses nothing else; here: {}; at the other side: {}; allow the socket with using(Using::Best)",
        or_nothing(here),
        or_nothing(there)
    )]
    NoMemory {
        /// Where.
        place: String,
        /// What stands in the way at this side.
        here: Option<String>,
        /// What stands in the way at the other side, by its own account.
        there: Option<String>,
    },
}

fn or_nothing(why: &Option<String>) -> &str {
    why.as_deref().unwrap_or("nothing is in the way")
}

/// Why a ring was not handed over, or not taken. No descriptor that came is left open; what was read of the socket is gone, so
/// close it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HandoverError {
    /// The ring, the descriptor that came, or the socket is not what it must be.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The process at the other side of the socket is another user's.
    #[error(
        "the other side of the socket is of uid {found}, expected uid {expected}; if that user is trusted, say so with owner(Owner::Uid({found}))"
    )]
    Stranger {
        /// Its user, by the kernel's account (`SO_PEERCRED`).
        found: u32,
        /// The user expected.
        expected: u32,
    },
    /// The other side did not do its part in time.
    #[error(
        "timed out: {found} of the {expected} bytes of a greeting have passed within {limit:?}; start the other side, or allow more time with timeout(…)"
    )]
    TimedOut {
        /// Bytes that have passed.
        found: usize,
        /// Bytes of a greeting.
        expected: usize,
        /// The time there was.
        limit: Duration,
    },
    /// The other side is gone.
    #[error(
        "closed: the other side is gone after {found} of the {expected} bytes of a greeting; start it anew, and connect again"
    )]
    Closed {
        /// Bytes that have passed.
        found: usize,
        /// Bytes of a greeting.
        expected: usize,
    },
    /// What came is no greeting.
    #[error(
        "what came is no ring: it begins with {found:?}, expected {expected:?}; the other side must call the counterpart in ringway (`give` for `take`; in `untrusted` the other role), and nothing may be read or written before on this socket by one side alone"
    )]
    Foreign {
        /// How it begins.
        found: String,
        /// How a greeting begins.
        expected: String,
    },
    /// The greeting is of another version of ringway.
    #[error(
        "the greeting has version {found}, this ringway reads version {expected}; use the same version on both sides"
    )]
    Version {
        /// Its version.
        found: u32,
        /// The version of this crate.
        expected: u32,
    },
    /// A field of the greeting is not what this protocol writes.
    #[error(transparent)]
    Corrupt(#[from] Corrupt),
    /// Too many descriptors came, or none.
    #[error(
        "{found} descriptors came with the greeting, expected exactly 1; all were closed: the other side must be ringway's, which sends one for each call"
    )]
    Descriptors {
        /// How many came.
        found: usize,
    },
    /// The kernel could not deliver all that came beside the greeting.
    #[error(
        "the control message was truncated: {found} descriptors came, more could not be opened; raise the limit on open files (ulimit -n) or close some, and connect again"
    )]
    Truncated {
        /// How many came; they were closed.
        found: usize,
    },
    /// Untrusted rings: both sides want to be the same.
    #[error(
        "both sides want to be the {role}; call `producer` on one side and `consumer` on the other, in the same order if the socket carries several rings"
    )]
    SameRole {
        /// What both want to be.
        role: Role,
    },
    /// Untrusted rings: the ring is larger than this side takes.
    #[error(
        "the producer's ring has {found} bytes, this consumer takes at most {allowed}; allow more with most(…), or make the ring smaller"
    )]
    TooLarge {
        /// Bytes of the ring.
        found: u64,
        /// Bytes that are taken.
        allowed: u64,
    },
    /// Untrusted rings: the half that came has not exactly the seals that it must have, so the other side could take its memory from
    /// under this one, or others could write to it.
    #[error(
        "the other side's half has the seals {found}, expected exactly {expected}; nothing of it was used"
    )]
    Seals {
        /// Its seals.
        found: String,
        /// The seals expected.
        expected: String,
    },
    /// Untrusted rings: the half that came has another length than its ring.
    #[error("the other side's half is {found} bytes long, expected {expected}; nothing of it was used")]
    Length {
        /// Its length.
        found: u64,
        /// The length that goes with the ring's size.
        expected: u64,
    },
    /// Untrusted rings: the half that came is of huge pages, which can run out later.
    #[error("the other side's half is of huge pages, expected ordinary ones; nothing of it was used")]
    HugePages,
    /// Untrusted rings: the descriptor that came cannot be written by, so this side cannot have its memory set aside.
    #[error(
        "the other side's half came by a descriptor that was not opened to read and write, so its memory cannot be reserved; nothing of it was used"
    )]
    ReadOnly,
    /// The parent process has handed nothing over by this name.
    #[error(
        "the environment has no {variable}; the parent must call ringway::handover::to_child with the same name, and the program must be started by that command"
    )]
    NotHanded {
        /// The variable that would tell.
        variable: String,
    },
    /// What the environment says of a ring is not what this crate writes there, or no longer true.
    #[error("{variable} is {found:?}, but {why}")]
    Stale {
        /// The variable.
        variable: String,
        /// What it says.
        found: String,
        /// What is wrong with it, and what to do.
        why: &'static str,
    },
    /// A name for a ring that no environment variable can have.
    #[error("a child's ring cannot be called {name:?}; use letters, digits and '_'")]
    Name {
        /// The name given.
        name: String,
    },
}

/// Why a durable ring was not written to the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SyncError {
    /// The ring is not durable.
    #[error(
        "not durable: the ring has no checksums, so nothing could be recovered; create it with durable(true)"
    )]
    NotDurable,
    /// This handle was inherited by a forked child; it belongs to the parent.
    #[error("forked: this handle belongs to the parent process; open one of its own in the child")]
    Forked,
    /// The system could not write. What is on the disk since the last sync is not known until one succeeds; it writes the
    /// whole ring.
    #[error("fdatasync: {}; sync again once the disk is well", io::Error::from_raw_os_error(*errno))]
    System {
        /// The system's error number.
        errno: i32,
    },
}

/// Why a message was not sent. Unless the text says otherwise the ring is as it was, and the call may be
/// repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// There is no room now, and the call was not to wait.
    #[error("full: the record needs {need} bytes, {free} are free; wait for the consumer")]
    Full {
        /// Bytes needed, header and padding included.
        need: u64,
        /// Bytes free; of a pipe nothing is known but that it took none.
        free: u64,
    },
    /// There was no room before the time was up.
    #[error("timed out: no room came")]
    TimedOut,
    /// `mpmc`: there was no room before the time was up, since a participant that lives, perhaps a stopped one, held the
    /// slot that was needed.
    #[error("stalled: a {role}, {}, holds the slot that is needed and does not let go; it lives: continue it or end it", who(*pid))]
    Stalled {
        /// What the holder does.
        role: Role,
        /// Its process, by its own account.
        pid: u32,
    },
    /// The message can never fit into this ring, or is larger than this pipe's largest.
    #[error(
        "the message is {len} bytes long, the largest that is taken is {largest}; create the ring larger (for a pipe: set `largest` on both sides), or send in pieces"
    )]
    TooLarge {
        /// Bytes of the message.
        len: usize,
        /// Bytes that fit.
        largest: usize,
    },
    /// The ring is full and its consumer has said goodbye. Pipes: nobody reads any more; whether the consumer left or died
    /// a pipe does not tell.
    #[error("closed: the consumer has detached, and nothing more fits")]
    Closed,
    /// The ring is full and its consumer died without saying goodbye; a new consumer may go on from the first
    /// message that was not released. Sockets: nobody reads any more, and the way back ended without a goodbye.
    #[error(
        "peer dead: the consumer died, and nothing more fits; start a new consumer (of a ring: it goes on where the dead one stopped)"
    )]
    PeerDead,
    /// The ring is full, and its name was removed before a consumer came, or leads to another ring by now: whoever
    /// opens the name does not come here. FIFOs: what has the name now is not to be used.
    #[error(
        "unlinked: nothing more fits, and the name was removed or given to another; attach by the name again"
    )]
    Unlinked,
    /// This handle was inherited by a forked child; it belongs to the parent.
    #[error("forked: this handle belongs to the parent process; open one of its own in the child")]
    Forked,
    /// A task could not wait: the system refused to arm the descriptor. Nothing was sent.
    #[error("cannot wait: {}; free memory, or wait in a blocking call", io::Error::from_raw_os_error(*errno))]
    Unarmed {
        /// The system's error number; `ECANCELED`: the runtime is shutting down.
        errno: i32,
    },
    /// Durable rings: the ring could not be written to the disk. A message that fitted was sent, but may not survive a
    /// loss of power.
    #[error(transparent)]
    Sync(#[from] SyncError),
    /// A word in the segment is not what the protocol writes; every further call meets it again.
    #[error(transparent)]
    Corrupt(#[from] Corrupt),
    /// Pipes: a system call failed. The message was not sent.
    #[error("write: {}; try again once the system is well, or close this end", io::Error::from_raw_os_error(*errno))]
    System {
        /// The system's error number.
        errno: i32,
    },
}

/// Why no message was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecvError {
    /// There is no message now, and the call was not to wait.
    #[error("empty: there is no message now")]
    Empty,
    /// No message came before the time was up.
    #[error("timed out: no message came")]
    TimedOut,
    /// `mpmc`: no message came before the time was up, since a producer that lives, perhaps a stopped one, held a claim
    /// in front of what follows.
    #[error("stalled: a {role}, {}, holds a claim that is not committed; it lives: continue it or end it", who(*pid))]
    Stalled {
        /// What the holder does.
        role: Role,
        /// Its process, by its own account.
        pid: u32,
    },
    /// The producer has said goodbye, and everything it sent was received.
    #[error("closed: the producer has detached, and everything was received")]
    Closed,
    /// The producer died without saying goodbye, and everything it committed was received. `mpmc`: no producer lives,
    /// and one has died since the last one came.
    #[error("peer dead: the producer died; everything it committed was received")]
    PeerDead,
    /// The ring is empty, and its name was removed before a producer came, or leads to another ring by now: whoever
    /// opens the name does not come here. FIFOs: the same.
    #[error(
        "unlinked: there is no message, and the name was removed or given to another; attach by the name again"
    )]
    Unlinked,
    /// This handle was inherited by a forked child; it belongs to the parent.
    #[error("forked: this handle belongs to the parent process; open one of its own in the child")]
    Forked,
    /// A task could not wait: the system refused to arm the descriptor. No message was taken.
    #[error("cannot wait: {}; free memory, or wait in a blocking call", io::Error::from_raw_os_error(*errno))]
    Unarmed {
        /// The system's error number; `ECANCELED`: the runtime is shutting down.
        errno: i32,
    },
    /// Durable rings: the ring could not be written to the disk, as the options ask for. No message was taken.
    #[error(transparent)]
    Sync(#[from] SyncError),
    /// A word in the segment or stream is not what the protocol writes; every further call meets it again.
    #[error(transparent)]
    Corrupt(#[from] Corrupt),
    /// Pipes: a system call failed. Nothing was taken.
    #[error("read: {}; try again once the system is well, or close this end", io::Error::from_raw_os_error(*errno))]
    System {
        /// The system's error number.
        errno: i32,
    },
}

/// Why a request got no reply. `sent`: the request was sent, so it may be served, once or, if a server dies meanwhile, more
/// often; otherwise it was not, and never will be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// No reply came before the time was up, or not even room for the request. A reply that comes later is dropped.
    #[error("timed out: no reply came{}; allow more time, or see whether the other side serves", unless_sent(*sent))]
    TimedOut {
        /// Was the request sent?
        sent: bool,
    },
    /// The other side has said goodbye, and what it had sent before holds no reply.
    #[error("closed: the other side has detached before it replied{}; ask again once another serves", unless_sent(*sent))]
    Closed {
        /// Was the request sent?
        sent: bool,
    },
    /// The other side died, and what it had sent before holds no reply.
    #[error("peer dead: the other side died before it replied{}; ask again once another serves", unless_sent(*sent))]
    PeerDead {
        /// Was the request sent?
        sent: bool,
    },
    /// A request came while a reply was waited for; it was dropped, and its sender gets no reply.
    #[error("crossed: the other side asks, too{}; at a time one side asks and the other serves", unless_sent(*sent))]
    Crossed {
        /// Was the request sent?
        sent: bool,
    },
    /// A message came that is neither a request nor a reply; it was dropped.
    #[error(
        "a message of {len} bytes came that is neither a request nor a reply; send nothing but those on both sides"
    )]
    Foreign {
        /// Bytes of the message.
        len: usize,
    },
    /// The request can never be sent.
    #[error(
        "the request is {len} bytes long, the largest that is taken is {largest}; make the rings larger (for a socket: set `largest` on both sides), or ask in pieces"
    )]
    TooLarge {
        /// Bytes of the request.
        len: usize,
        /// Bytes that fit.
        largest: usize,
    },
    /// The request was not sent, for another reason.
    #[error(transparent)]
    Send(SendError),
    /// The request was sent, and no reply can be received, for another reason.
    #[error(transparent)]
    Recv(RecvError),
}

/// What became of a request, in a message.
fn unless_sent(sent: bool) -> &'static str {
    if sent { "" } else { ", and the request was not sent" }
}

/// Why there is no request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// No request came: the time was up ([`RecvError::TimedOut`]), the other side has said goodbye ([`RecvError::Closed`]) or
    /// died ([`RecvError::PeerDead`]), or whatever else ends a receiving call.
    #[error(transparent)]
    Recv(#[from] RecvError),
    /// A message came that is neither a request nor a reply; it was dropped.
    #[error(
        "a message of {len} bytes came that is neither a request nor a reply; send nothing but those on both sides"
    )]
    Foreign {
        /// Bytes of the message.
        len: usize,
    },
}

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
