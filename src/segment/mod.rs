//! Segments: memory that processes share, under a name or without one, and the leases that say who lives.
//!
//! Creation is atomic. A segment is built under no name, its memory is reserved, its header written and its
//! creator's lease taken; only then is it linked, replacing nothing. Whoever loses that race opens the
//! winner's. Nobody ever sees half a segment, and nothing is left when creation fails or dies.
//!
//! The name goes away with the last participant that leaves cleanly, when the ring is drained. The membership
//! lock makes "look whether anybody else is here, and unlink" and "open, and join" exclude each other; one
//! who joins a segment that has lost its name in between starts over.

pub(crate) mod address;
pub(crate) mod lease;
mod lease_table;
pub(crate) mod mapping;
mod memfd;
pub(crate) mod place;
pub(crate) mod process;
mod reserve;

use std::collections::hash_map::RandomState;
use std::fs::{self, File};
use std::hash::{BuildHasher, Hasher};
use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::error::OpenError;
use crate::layout::header::{Birth, Header, Plan};
use crate::layout::participant::Participant;
use crate::layout::{Role, spsc};
use address::Address;
use lease::Membership;
use mapping::Mapping;
pub use place::Owner;
use place::{Place, Unnamed};
use process::Home;

/// How often to start over when a ring disappears between looking and joining, or appears between looking
/// and creating. Each round means that another process made progress.
const ROUNDS: u32 = 1000;

/// How a segment is to be found, made and mapped.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) plan: Plan,
    pub(crate) create: bool,
    pub(crate) create_new: bool,
    pub(crate) mode: u32,
    pub(crate) owner: Owner,
    pub(crate) prefault: bool,
    pub(crate) huge_pages: bool,
}

/// A segment, joined as one participant.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) mapping: Mapping,
    pub(crate) header: Header,
    pub(crate) text: String,
    id: u32,
    place: Option<Place>,
    /// The description that holds this participant's lease; `None`: hosted memory without leases.
    leases: Option<ManuallyDrop<File>>,
    home: Home,
}

/// The participant with `role`.
pub(crate) fn participant_id(role: Role) -> u32 {
    match role {
        Role::Producer => 0,
        Role::Consumer => 1,
    }
}

/// The participant table's line of `role`.
pub(crate) fn participant_at(role: Role) -> u64 {
    spsc::PARTICIPANTS_AT + u64::from(participant_id(role)) * size_of::<Participant>() as u64
}

/// Joins the ring at `address` as `role`, creating it first if there is none.
pub(crate) fn join(address: &Address, request: &Request, role: Role) -> Result<Segment, OpenError> {
    address.check()?;
    let Some(place) = Place::of(address)? else {
        let Address::Fd(fd) = address else { unreachable!("only descriptors have no place") };
        return join_description(memfd::open(*fd)?, &address.to_string(), request, role);
    };
    let text = place.text().to_owned();
    for _ in 0..ROUNDS {
        if !request.create_new
            && let Some(file) = place.open(true)?
        {
            place.check(&metadata(&file, &text)?, request.owner, request.mode)?;
            match join_file(file, &place, request, role)? {
                Some(found) => return Ok(found.named(place)),
                None => continue,
            }
        }
        if !request.create && !request.create_new {
            return Err(OpenError::NotFound { place: text });
        }
        if let Some(segment) = create(&place, request, Some(role))? {
            return Ok(segment.named(place));
        }
        if request.create_new {
            return Err(OpenError::Exists { place: text });
        }
    }
    Err(OpenError::Busy { place: text, seconds: 0 })
}

/// Creates the ring at `address` and joins nobody.
pub(crate) fn create_only(address: &Address, request: &Request) -> Result<(), OpenError> {
    address.check()?;
    let Some(place) = Place::of(address)? else {
        return Err(OpenError::Exists { place: address.to_string() });
    };
    match create(&place, request, None)? {
        Some(_unattached) => Ok(()),
        None => Err(OpenError::Exists { place: place.text().to_owned() }),
    }
}

/// A sealed memfd with a new ring, joined by nobody yet.
pub(crate) fn create_memfd(request: &Request) -> Result<File, OpenError> {
    let file = memfd::create(request.plan.sizes.total())?;
    let mapping = Mapping::of(&file, memfd::TEXT, request.plan.sizes.total())?;
    mapping.write_header(&request.plan.header(birth()));
    memfd::seal(&file)?;
    Ok(file)
}

/// Joins the ring in the memfd `file` through a description of its own.
pub(crate) fn join_memfd(file: &File, request: &Request, role: Role) -> Result<Segment, OpenError> {
    let own = place::reopen(file, memfd::TEXT)?;
    join_description(own, memfd::TEXT, request, role)
}

/// Joins a ring in memory that the caller has. `leases`: a file of the host's whose locks prove who lives.
pub(crate) fn join_hosted(
    mapping: Mapping,
    leases: Option<OwnedFd>,
    request: &Request,
    role: Role,
) -> Result<Segment, OpenError> {
    let text = "hosted memory";
    let needed = request.plan.sizes.total();
    let mut header = mapping.read_header();
    if request.create_new {
        if mapping.len() < needed {
            return Err(OpenError::Memory { what: "length", found: mapping.len(), needed });
        }
        header = request.plan.header(birth());
        mapping.write_header(&header);
    }
    let header = header.check(text, header.total().min(mapping.len()))?;
    header.check_type(text, request.plan.description.as_deref())?;
    let leases = match leases {
        Some(file) => Some(own_leases(place::reopen(&file, text)?, &mapping, text, role)?),
        None => None,
    };
    Segment::joined(mapping, header, text, leases, role)
}

fn metadata(file: &File, text: &str) -> Result<fs::Metadata, OpenError> {
    file.metadata().map_err(|source| OpenError::System { call: "fstat", place: text.to_owned(), source })
}

/// Joins under the membership lock. `None`: the file lost its name meanwhile, so start over.
fn join_file(file: File, place: &Place, request: &Request, role: Role) -> Result<Option<Segment>, OpenError> {
    let own = file.try_clone().map_err(|source| place.system("dup", source))?;
    let _membership = membership(&file, place.text())?;
    if metadata(&file, place.text())?.nlink() == 0 {
        return Ok(None);
    }
    join_description(own, place.text(), request, role).map(Some)
}

fn membership<'a>(file: &'a File, text: &str) -> Result<Membership<'a>, OpenError> {
    let lock = Membership::lock(file).map_err(|source| OpenError::System {
        call: "lock (OFD)",
        place: text.to_owned(),
        source,
    })?;
    lock.ok_or_else(|| OpenError::Busy {
        place: text.to_owned(),
        seconds: lease::MEMBERSHIP_PATIENCE.as_secs(),
    })
}

/// Checks, maps and leases the segment behind `file`, a description that nobody else uses.
fn join_description(file: File, text: &str, request: &Request, role: Role) -> Result<Segment, OpenError> {
    let header = read_header(&file, text)?;
    header.check_type(text, request.plan.description.as_deref())?;
    let mapping = Mapping::of(&file, text, header.sizes.total())?;
    let leases = own_leases(file, &mapping, text, role)?;
    let segment = Segment::joined(mapping, header, text, Some(leases), role)?;
    segment.touch(request);
    Ok(segment)
}

/// The checked header of the segment behind `file`.
pub(crate) fn read_header(file: &File, text: &str) -> Result<Header, OpenError> {
    let length = metadata(file, text)?.len();
    let raw = mapping::read_header_of(file)
        .map_err(|source| OpenError::System { call: "read the header of", place: text.to_owned(), source })?
        .ok_or_else(|| OpenError::NotASegment {
            place: text.to_owned(),
            found: format!("it is {length} bytes long, shorter than a header"),
        })?;
    raw.check(text, length)
}

fn own_leases(file: File, mapping: &Mapping, text: &str, role: Role) -> Result<File, OpenError> {
    let taken = lease::take(&file, participant_id(role)).map_err(|source| OpenError::System {
        call: "lock (OFD)",
        place: text.to_owned(),
        source,
    })?;
    if taken {
        return Ok(file);
    }
    let pid = mapping.part::<Participant>(participant_at(role)).pid();
    Err(OpenError::AlreadyAttached { place: text.to_owned(), role, pid })
}

/// Makes a new segment and links it. `None`: the name exists by now.
fn create(place: &Place, request: &Request, role: Option<Role>) -> Result<Option<Segment>, OpenError> {
    let new: Unnamed = place.unnamed()?;
    let total = request.plan.sizes.total();
    reserve::reserve(&new.file, place.text(), Some(place.directory()), total)?;
    let mapping = Mapping::of(&new.file, place.text(), total)?;
    let birth = birth();
    mapping.write_header(&request.plan.header(birth));
    let own = new.file.try_clone().map_err(|source| place.system("dup", source))?;
    let header = request.plan.checked(birth);
    let segment = match role {
        Some(role) => {
            let own = own_leases(own, &mapping, place.text(), role)?;
            Segment::joined(mapping, header, place.text(), Some(own), role)?
        }
        None => Segment::joined(mapping, header, place.text(), None, Role::Producer)?,
    };
    segment.touch(request);
    Ok(place.link(&new, request.mode)?.then_some(segment))
}

/// Facts about a segment that is created now.
fn birth() -> Birth {
    let created = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Birth { instance: random(), boot: boot_id(), created: created.as_nanos() as u64 }
}

/// A random number, from the seeds that the standard library takes from the system.
pub(crate) fn random() -> u128 {
    let half = || u128::from(RandomState::new().build_hasher().finish());
    half() << 64 | half()
}

/// Which boot of the machine this is; 0 when /proc does not say.
pub(crate) fn boot_id() -> u128 {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    u128::from_str_radix(&text.trim().replace('-', ""), 16).unwrap_or(0)
}

impl Segment {
    fn joined(
        mapping: Mapping,
        header: Header,
        text: &str,
        leases: Option<File>,
        role: Role,
    ) -> Result<Segment, OpenError> {
        let home = Home::here().map_err(|source| OpenError::System {
            call: "mmap (of the fork guard)",
            place: text.to_owned(),
            source,
        })?;
        if let Some(file) = &leases {
            lease_table::LEASES.insert(file.as_raw_fd());
        }
        let leases = leases.map(ManuallyDrop::new);
        Ok(Segment {
            mapping,
            header,
            text: text.to_owned(),
            id: participant_id(role),
            place: None,
            leases,
            home,
        })
    }

    fn named(mut self, place: Place) -> Segment {
        self.place = Some(place);
        self
    }

    fn touch(&self, request: &Request) {
        if request.huge_pages {
            self.mapping.advise_huge();
        }
        if request.prefault {
            self.mapping.prefault();
        }
    }

    /// The process this handle belongs to.
    #[inline(always)]
    pub(crate) fn home(&self) -> Home {
        self.home
    }

    /// Does the participant with `role` live? `None`: hosted memory without leases cannot tell.
    pub(crate) fn lives(&self, role: Role) -> Option<io::Result<bool>> {
        self.leases.as_ref().map(|file| lease::is_held(file, participant_id(role)))
    }

    /// A new descriptor of the segment, to be handed to another process. It shares no lease with this handle.
    pub(crate) fn descriptor(&self) -> Result<OwnedFd, OpenError> {
        match &self.leases {
            Some(file) => place::reopen(&**file, &self.text).map(Into::into),
            None => Err(OpenError::NotFound { place: format!("{} (it has no descriptor)", self.text) }),
        }
    }

    /// Leaves: says goodbye by `goodbye`, gives the lease back, and unlinks the name if nobody else is here
    /// and `drained`.
    pub(crate) fn leave(&self, goodbye: impl FnOnce(), drained: impl FnOnce() -> bool) {
        let Some(file) = &self.leases else {
            return goodbye();
        };
        // Whoever cannot have the lock (its holder is stopped) leaves the name to the next one.
        let membership = Membership::lock(file).ok().flatten();
        goodbye();
        if let (Some(place), Some(_)) = (&self.place, &membership) {
            let alone = (0..spsc::PARTICIPANTS)
                .all(|id| id == self.id || matches!(lease::is_held(file, id), Ok(false)));
            if alone && !self.header.persist && drained() {
                // A failure (a directory that became read-only) leaves the name to `ringway rm`.
                let _ = place.unlink(file);
            }
        }
        lease::give_back(file, self.id);
    }
}

impl Drop for Segment {
    /// Closes the description that holds the lease; in a forked child it is the parent's and stays untouched.
    fn drop(&mut self) {
        if let Some(file) = self.leases.take()
            && self.home.is_here()
        {
            lease_table::LEASES.remove(file.as_raw_fd());
            drop(ManuallyDrop::into_inner(file));
        }
    }
}
