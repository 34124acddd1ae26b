//! Looking at rings from outside: attaches nothing and changes nothing, but for [`remove`].

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::settle::used_of;
use super::window::table_of;
use super::{Backing, Geometry, Peer, peer};
use nix::unistd::geteuid;

use crate::error::{Corrupt, OpenError};
use crate::layout::header::Header;
use crate::layout::participant::{Counters, Participant, line_at};
use crate::layout::spsc::Site;
use crate::layout::{Role, Shared, Side, Sizes, mpmc, spsc};
use crate::ring::{record, slots};
use crate::segment::address::{Address, SHM_DIRECTORY, SHM_PREFIX};
use crate::segment::lease;
use crate::segment::mapping::Mapping;
use crate::segment::place::{self, Place};
use crate::segment::{self, boot_id};
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
    /// What is sent and not released: bytes of records (`spsc`; `duplex`: of both directions), or slots that are not free
    /// (`mpmc`); approximate while the ring is in use, and for another user's ring of more than 64 MiB.
    pub used: Result<u64, Corrupt>,
    /// Durable rings: how many messages losses of power have cost since it was created, as far as there were traces.
    pub dropped: u64,
    /// Its participants, producers first (`duplex`: the first side's first); of an `mpmc` ring those that are or once were
    /// there.
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
    /// Its number in the ring.
    pub id: u32,
    /// `duplex`: whose end it is.
    pub side: Option<Side>,
    /// Whether it is there, by its lease.
    pub state: Peer,
    /// `mpmc`: does it hold a slot: a claim, or a message?
    pub holds: bool,
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
    let holder = lease::held_among(&file, 0..IDS_MAX).map_err(|source| place.system("lock (OFD)", source))?;
    match holder {
        Some(id) if !force => Err(in_use(&address, &file, id)),
        _ => place.unlink(&file),
    }
}

/// More than any ring has participants: a damaged header may not say how many.
const IDS_MAX: u32 = 2 * mpmc::PLACES_MAX;

fn in_use(address: &Address, file: &File, id: u32) -> OpenError {
    let place = address.to_string();
    let known = segment::read_header(file, &place).and_then(|header| {
        let mapping = view(file, &place, header.sizes)?;
        let role = role_of(header.sizes, id);
        Ok((
            role,
            header.sizes.all_ids().contains(&id).then(|| mapping.part::<Participant>(line_at(id)).pid()),
        ))
    });
    let (role, pid) = known.unwrap_or((Role::Producer, None));
    OpenError::InUse { place, role, pid: pid.unwrap_or(0) }
}

fn role_of(sizes: Sizes, id: u32) -> Role {
    if sizes.ids(Role::Producer).contains(&id) { Role::Producer } else { Role::Consumer }
}

/// A damaged segment may be removed; a file that never was one may not.
fn check_is_segment(address: &Address, file: &File) -> Result<(), OpenError> {
    match segment::read_header(file, &address.to_string()) {
        Err(error @ (OpenError::NotASegment { .. } | OpenError::System { .. })) => Err(error),
        _ => Ok(()),
    }
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

/// How much of another user's ring is copied to look at it.
const COPY_MAX: u64 = 64 << 20;

/// The memory of a ring to look at. Another user's is copied, at least its control lines: nobody chose to trust its owner,
/// who could cut the file short while it is looked at.
fn view(file: &File, text: &str, sizes: Sizes) -> Result<Mapping, OpenError> {
    let system = |source| OpenError::System { call: "fstat", place: text.to_owned(), source };
    if file.metadata().map_err(system)?.uid() == geteuid().as_raw() {
        Mapping::of(file, text, sizes.total())
    } else {
        Mapping::copy_of(file, text, sizes.total().min(COPY_MAX))
    }
}

/// Is all of the ring there to be looked at?
fn is_whole(mapping: &Mapping, sizes: Sizes) -> bool {
    mapping.len() == sizes.total()
}

fn report(address: Address, file: &File) -> Result<Report, OpenError> {
    let text = address.to_string();
    let header = segment::read_header(file, &text)?;
    let metadata =
        file.metadata().map_err(|source| OpenError::System { call: "fstat", place: text.clone(), source })?;
    let mapping = view(file, &text, header.sizes)?;
    let is_whole = is_whole(&mapping, header.sizes);
    let (bell, used, dropped) = match header.sizes {
        Sizes::Spsc(sizes) => {
            let control: Shared<spsc::Control> = mapping.part(sizes.site().control_at);
            (
                fence_of(&control.data_bell),
                used_in(&mapping, sizes.site(), is_whole),
                record::dropped(&control),
            )
        }
        Sizes::Duplex(sizes) => {
            let sites = sizes.sites();
            let control: Shared<spsc::Control> = mapping.part(sites[0].control_at);
            let used = sites.into_iter().map(|site| used_in(&mapping, site, is_whole)).sum();
            (fence_of(&control.data_bell), used, 0)
        }
        Sizes::Mpmc(sizes) => {
            let control: Shared<mpmc::Control> = mapping.part(sizes.control_at());
            let used = match is_whole {
                true => slots::used(&table_of(&mapping, sizes), sizes),
                false => Ok(slots::used_by_hints(&control, sizes)),
            };
            (fence_of(&control.data.bell), used, 0)
        }
    };
    Ok(Report {
        geometry: Geometry::new(&header, Backing::of(&address), bell, 0),
        address,
        boot_current: header.boot == boot_id(),
        created: UNIX_EPOCH + Duration::from_nanos(header.created),
        used,
        dropped,
        participants: participants(&mapping, &header, file),
        mode: metadata.mode() & 0o7777,
        uid: metadata.uid(),
    })
}

/// Bytes of records in a record ring.
fn used_in(mapping: &Mapping, site: Site, is_whole: bool) -> Result<u64, Corrupt> {
    match is_whole {
        true => used_of(mapping, site),
        false => Ok(record::backlog_written_down(&mapping.part(site.control_at), site.sizes)),
    }
}

/// The participants of a ring: both of an `spsc` ring, all four of a `duplex`, and of an `mpmc` ring whoever was there.
fn participants(mapping: &Mapping, header: &Header, file: &File) -> Vec<ParticipantReport> {
    let sizes = header.sizes;
    let all = sizes.all_ids().map(|id| participant(mapping, file, id, sizes));
    let mut seen: Vec<_> = all.filter(|report| sizes.waits_alone() || report.state != Peer::Absent).collect();
    seen.sort_by_key(|report| report.side == Some(Side::Second));
    if let Sizes::Mpmc(sizes) = sizes
        && is_whole(mapping, header.sizes)
    {
        let holders = slots::holders(&table_of(mapping, sizes), sizes);
        seen.iter_mut().for_each(|report| report.holds = holders.contains(&report.id));
    }
    seen
}

fn participant(mapping: &Mapping, file: &File, id: u32, sizes: Sizes) -> ParticipantReport {
    let role = role_of(sizes, id);
    let side = matches!(sizes, Sizes::Duplex(_)).then(|| Side::of(id));
    let line: Shared<Participant> = mapping.part(line_at(id));
    let state = peer::state(&line, || Some(lease::is_held(file, id)));
    let (pid, started, counters) = (line.pid(), line.started(), line.counters());
    ParticipantReport { role, id, side, state, holds: false, pid, started, counters }
}
