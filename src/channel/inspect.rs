//! Looking at rings from outside: attaches nothing and changes nothing, but for [`remove`].

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::window::window_of;
use super::{Backing, Geometry, Peer, peer};
use crate::Corrupt;
use crate::error::OpenError;
use crate::layout::participant::{Counters, Participant};
use crate::layout::spsc::{CONTROL_AT, Control};
use crate::layout::{Role, Shared};
use crate::ring::record;
use crate::segment::address::{Address, SHM_DIRECTORY, SHM_PREFIX};
use crate::segment::lease;
use crate::segment::mapping::Mapping;
use crate::segment::place::{self, Place};
use crate::segment::{self, boot_id, participant_at, participant_id};
use crate::wait::bell::fence_of;

/// A name in /dev/shm, and what is there.
#[derive(Debug)]
pub struct Entry {
    /// The ring's address.
    pub address: Address,
    /// What it is, or why that cannot be said.
    pub report: Result<Report, OpenError>,
}

/// What a ring is and who uses it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Report {
    /// The ring's address.
    pub address: Address,
    /// What it is made of.
    pub geometry: Geometry,
    /// Was it created since the machine started? An earlier boot's participants are all gone.
    pub boot_current: bool,
    /// When it was created.
    pub created: SystemTime,
    /// Bytes of records that are sent and not released; approximate while it is in use.
    pub used: Result<u64, Corrupt>,
    /// Its participants, the producer first.
    pub participants: Vec<ParticipantReport>,
    /// Permission bits of its file.
    pub mode: u32,
    /// The user whose file it is.
    pub uid: u32,
}

/// One participant of a ring.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ParticipantReport {
    /// What it does.
    pub role: Role,
    /// Whether it is there, by its lease.
    pub state: Peer,
    /// Its process, by its own account; 0 if nobody was there yet.
    pub pid: u32,
    /// When that process started, in clock ticks since boot.
    pub started: u64,
    /// What it has done, as it last wrote down.
    pub counters: Counters,
}

/// Every ring with a shared-memory name, in order of names.
///
/// # Errors
/// When /dev/shm cannot be read. What cannot be said of one ring is in its [`Entry`].
pub fn list() -> io::Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for file in fs::read_dir(SHM_DIRECTORY)? {
        let file_name = file?.file_name();
        let Some(name) = file_name.to_str().and_then(|name| name.strip_prefix(SHM_PREFIX)) else {
            continue;
        };
        let address = Address::Shm(name.to_owned());
        match inspect(&address) {
            // It went away between the two looks.
            Err(OpenError::NotFound { .. }) => {}
            report => entries.push(Entry { address, report }),
        }
    }
    entries.sort_by_key(|entry| entry.address.to_string());
    Ok(entries)
}

/// What the ring at `address` is and who uses it.
///
/// # Errors
/// [`OpenError::NotFound`] when there is none; else what [`OpenError`] lists. The owner and mode of the file
/// are reported, not checked.
pub fn inspect<A>(address: A) -> Result<Report, OpenError>
where
    A: TryInto<Address>,
    OpenError: From<A::Error>,
{
    let address = address.try_into()?;
    let (_, file) = open(&address)?;
    report(address, &file)
}

/// Removes the name of the ring at `address`. Whoever uses it keeps it; nobody else finds it any more.
///
/// # Errors
/// [`OpenError::InUse`] when a participant lives, unless `force`; [`OpenError::NotASegment`] when the file is
/// no ring, which `force` does not change.
pub fn remove<A>(address: A, force: bool) -> Result<(), OpenError>
where
    A: TryInto<Address>,
    OpenError: From<A::Error>,
{
    let address = address.try_into()?;
    let (place, file) = open(&address)?;
    let Some(place) = place else {
        let why = "a descriptor has no name to remove";
        return Err(OpenError::NoDescriptor { place: address.to_string(), why });
    };
    check_is_segment(&address, &file)?;
    let _membership = segment::membership(&file, place.text())?;
    for role in [Role::Producer, Role::Consumer] {
        let held = lease::is_held(&file, participant_id(role))
            .map_err(|source| place.system("lock (OFD)", source))?;
        if held && !force {
            let pid = participant_pid(&address, &file, role);
            return Err(OpenError::InUse { place: address.to_string(), role, pid });
        }
    }
    place.unlink(&file)
}

/// A damaged segment may be removed; a file that never was one may not.
fn check_is_segment(address: &Address, file: &File) -> Result<(), OpenError> {
    match segment::read_header(file, &address.to_string()) {
        Err(error @ (OpenError::NotASegment { .. } | OpenError::System { .. })) => Err(error),
        _ => Ok(()),
    }
}

fn participant_pid(address: &Address, file: &File, role: Role) -> u32 {
    let text = address.to_string();
    segment::read_header(file, &text)
        .and_then(|header| Mapping::of(file, &text, header.sizes.total()))
        .map_or(0, |mapping| mapping.part::<Participant>(participant_at(role)).pid())
}

fn open(address: &Address) -> Result<(Option<Place>, File), OpenError> {
    address.check()?;
    let Some(place) = Place::of(address)? else {
        let Address::Fd(fd) = address else { unreachable!("only descriptors have no place") };
        place::metadata_of(*fd)?;
        return Ok((None, place::reopen(fd, &address.to_string())?));
    };
    let file = place.open(true)?.ok_or_else(|| OpenError::NotFound { place: address.to_string() })?;
    place.check_is_file(&file)?;
    Ok((Some(place), file))
}

fn report(address: Address, file: &File) -> Result<Report, OpenError> {
    let text = address.to_string();
    let header = segment::read_header(file, &text)?;
    let metadata =
        file.metadata().map_err(|source| OpenError::System { call: "fstat", place: text.clone(), source })?;
    let mapping = Mapping::of(file, &text, header.sizes.total())?;
    let control: Shared<Control> = mapping.part(CONTROL_AT);
    let participants = [Role::Producer, Role::Consumer].map(|role| participant(&mapping, file, role));
    Ok(Report {
        geometry: Geometry::new(&header, Backing::of(&address), fence_of(&control.data_bell), 0),
        address,
        boot_current: header.boot == boot_id(),
        created: UNIX_EPOCH + Duration::from_nanos(header.created),
        used: record::backlog(&window_of(&mapping, header.sizes), &control, header.sizes),
        participants: participants.into(),
        mode: metadata.mode() & 0o7777,
        uid: metadata.uid(),
    })
}

fn participant(mapping: &Mapping, file: &File, role: Role) -> ParticipantReport {
    let line: Shared<Participant> = mapping.part(participant_at(role));
    let state = peer::state(&line, || Some(lease::is_held(file, participant_id(role))));
    ParticipantReport { role, state, pid: line.pid(), started: line.started(), counters: line.counters() }
}
