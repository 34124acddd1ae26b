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
mod birth;
pub(crate) mod half;
pub(crate) mod holder;
mod hosted;
pub(crate) mod lease;
mod lease_table;
pub(crate) mod mapping;
pub(crate) mod memfd;
pub(crate) mod place;
pub(crate) mod process;
mod reserve;
mod vacant;

use std::cell::OnceCell;
use std::fs::{self, File};
use std::io;
use std::ops::Range;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::error::{Corrupt, OpenError};
use crate::layout::call::SignalCall;
use crate::layout::header::{Header, Plan};
use crate::layout::participant::{self, Participant, Said};
use crate::layout::{Kind, Role, Side, Sizes};
use crate::sync::nap;
use address::Address;
use birth::birth;
pub(crate) use birth::{boot_id, random};
use holder::{Holder, LockedFile};
pub(crate) use hosted::join_hosted;
use lease::{Lease, Membership};
use mapping::Mapping;
pub use place::Owner;
use place::{Name, Place, Unnamed};
use process::Home;
pub(crate) use vacant::{Settle, Vacant};

/// How often to start over when a ring disappears between looking and joining, or appears between looking
/// and creating. Each round means that another process made progress.
const ROUNDS: u32 = 1000;

/// How often, a millisecond apart, one looks for a free place while there is none.
const REPAIR_PATIENCE: u32 = 20;

/// How a segment is to be found, made and mapped.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) plan: Plan,
    /// The alignment that typed messages need.
    pub(crate) type_align: u64,
    pub(crate) create: bool,
    pub(crate) create_new: bool,
    pub(crate) mode: u32,
    pub(crate) owner: Owner,
    pub(crate) prefault: bool,
    pub(crate) huge_pages: bool,
}

impl Request {
    /// Is the ring of the kind that this side expects, and does it carry the messages expected, aligned as they
    /// must be?
    fn check(&self, header: &Header, text: &str) -> Result<(), OpenError> {
        let (found, expected) = (header.sizes.kind(), self.plan.sizes.kind());
        if found != expected {
            let (place, found) = (text.to_owned(), found.as_str().to_owned());
            return Err(OpenError::Kind { place, found, expected: expected.as_str() });
        }
        if self.plan.sizes.is_durable() && !header.sizes.is_durable() {
            return Err(OpenError::NotDurable { place: text.to_owned() });
        }
        header.check_type(text, self.plan.description.as_deref())?;
        if self.plan.description.is_some() && header.sizes.align() < self.type_align {
            let (found, allowed) = (header.sizes.align(), self.type_align);
            let corrupt = Corrupt { what: "payload alignment of a typed ring", found, allowed };
            return Err(OpenError::Corrupt { place: text.to_owned(), corrupt });
        }
        Ok(())
    }
}

/// What one who joins a segment is to be there.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Entrant {
    /// One participant with this role.
    Role(Role),
    /// `duplex`: both ends of a side; `None`: of the first one that is free.
    Side(Option<Side>),
}

/// A segment, joined as one participant.
#[derive(Debug)]
pub(crate) struct Segment {
    /// Shared by the handles of one process that were made from one another: a line under two addresses would cost
    /// some processors a miss.
    pub(crate) mapping: Arc<Mapping>,
    pub(crate) header: Header,
    pub(crate) text: String,
    /// Which participant this is: its line in the table, and its lease.
    pub(crate) id: u32,
    place: Option<Arc<Place>>,
    /// Its file, as the kernel names it among locks; found out when it is needed first.
    locked: OnceCell<LockedFile>,
    /// This participant's lease; `None`: hosted memory without leases.
    lease: Option<Lease>,
    /// `duplex`: the lease of this side's consumer, until [`Segment::other_end`] takes it.
    spare: Option<(Lease, u32)>,
    home: Home,
}

/// Joins the ring at `address` as `entrant`, creating it first if there is none. Whoever finds a ring in which nobody
/// lives has it settled first.
pub(crate) fn join(
    address: &Address,
    request: &Request,
    entrant: Entrant,
    settle: Settle<'_>,
) -> Result<Segment, OpenError> {
    address.check()?;
    let Some(place) = Place::of(address)? else {
        return join_descriptor(address, request, entrant, settle);
    };
    let text = place.text().to_owned();
    let started = Instant::now();
    for _ in 0..ROUNDS {
        if request.create_new && place.is_taken()? {
            return Err(OpenError::Exists { place: text });
        }
        if !request.create_new
            && let Some(file) = place.open(true)?
        {
            // What is no ring at all is told first: its owner and mode are then of no interest.
            place.check_is_file(&file)?;
            read_header(&file, &text)?;
            place.check(&file, request.owner, request.mode)?;
            match join_file(file, &place, request, entrant, settle)? {
                Some(found) => return Ok(found.named(place)),
                None => continue,
            }
        }
        if !request.create && !request.create_new {
            return Err(OpenError::NotFound { place: text });
        }
        match create(&place, request, Some(entrant)) {
            Ok(Some(segment)) => return Ok(segment.named(place)),
            Ok(None) => {}
            // Another process may be creating the same ring at this moment, with the room that is missing here.
            Err(OpenError::NoSpace { .. }) if !request.create_new && appears(&place)? => continue,
            Err(error) => return Err(error),
        }
        if request.create_new {
            return Err(OpenError::Exists { place: text });
        }
    }
    Err(OpenError::Busy { place: text, seconds: started.elapsed().as_secs() })
}

/// Joins the ring behind a descriptor. If the segment has a name that can be told, this participant takes its
/// part in removing it; a memfd has none.
fn join_descriptor(
    address: &Address,
    request: &Request,
    entrant: Entrant,
    settle: Settle<'_>,
) -> Result<Segment, OpenError> {
    let Address::Fd(fd) = address else { unreachable!("only descriptors have no place") };
    let text = address.to_string();
    if request.create_new {
        return Err(OpenError::Exists { place: text });
    }
    let file = memfd::open(*fd)?;
    let Some(place) = Place::named(&file, &text)? else {
        let _membership = membership(&file, &text)?;
        let segment = join_description(&file, &text, request, entrant)?;
        segment.settle(settle)?;
        return Ok(segment);
    };
    match join_file(file, &place, request, entrant, settle)? {
        Some(segment) => Ok(segment.named(place)),
        None => Err(OpenError::NoDescriptor { place: text, why: "the ring was removed meanwhile" }),
    }
}

/// Does the name appear within a moment?
fn appears(place: &Place) -> Result<bool, OpenError> {
    for _ in 0..50 {
        if place.is_taken()? {
            return Ok(true);
        }
        nap(Duration::from_millis(1));
    }
    Ok(false)
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
pub(crate) fn join_memfd(file: &File, request: &Request, entrant: Entrant) -> Result<Segment, OpenError> {
    join_description(file, memfd::TEXT, request, entrant)
}

fn metadata(file: &File, text: &str) -> Result<fs::Metadata, OpenError> {
    file.metadata().map_err(|source| OpenError::System { call: "fstat", place: text.to_owned(), source })
}

/// Joins under the membership lock. `None`: the file lost its name meanwhile, so start over.
fn join_file(
    file: File,
    place: &Place,
    request: &Request,
    entrant: Entrant,
    settle: Settle<'_>,
) -> Result<Option<Segment>, OpenError> {
    let _membership = membership(&file, place.text())?;
    if metadata(&file, place.text())?.nlink() == 0 {
        return Ok(None);
    }
    let segment = join_description(&file, place.text(), request, entrant)?;
    segment.settle(settle)?;
    Ok(Some(segment))
}

/// The membership lock of the segment behind `file`.
pub(crate) fn membership<'a>(file: &'a File, text: &str) -> Result<Membership<'a>, OpenError> {
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
fn join_description(
    file: &File,
    text: &str,
    request: &Request,
    entrant: Entrant,
) -> Result<Segment, OpenError> {
    let header = read_header(file, text)?;
    request.check(&header, text)?;
    let mapping = Mapping::of(file, text, header.sizes.total())?;
    let seat = own_seat(file, &mapping, text, header.sizes, entrant)?;
    let segment = Segment::seated(mapping, header, text, seat)?;
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

/// What one who joins has: the lease of a participant, and for a side of a `duplex` also that of its consumer.
struct Seat {
    lease: Lease,
    id: u32,
    spare: Option<(Lease, u32)>,
}

fn own_seat(
    file: &impl AsRawFd,
    mapping: &Mapping,
    text: &str,
    sizes: Sizes,
    entrant: Entrant,
) -> Result<Seat, OpenError> {
    match entrant {
        Entrant::Role(role) => {
            let (lease, id) = own_lease(file, mapping, text, sizes, role)?;
            Ok(Seat { lease, id, spare: None })
        }
        Entrant::Side(wanted) => own_side(file, mapping, text, wanted),
    }
}

/// Takes both leases of a side on which nobody lives. Whoever joins holds the membership lock, so nobody gets only one of
/// them.
fn own_side(
    file: &impl AsRawFd,
    mapping: &Mapping,
    text: &str,
    wanted: Option<Side>,
) -> Result<Seat, OpenError> {
    let home = home(text)?;
    let open = || Lease::open(home, || place::reopen(file, text));
    let (lease, other) = (open()?, open()?);
    for side in Side::BOTH.into_iter().filter(|side| wanted.is_none_or(|wanted| wanted == *side)) {
        let (id, spare) = side.ids();
        if take_free(&lease, text, id..id + 1)?.is_some() {
            if take_free(&other, text, spare..spare + 1)?.is_some() {
                return Ok(Seat { lease, id, spare: Some((other, spare)) });
            }
            lease::give_back(&lease, id);
        }
    }
    Err(no_side(mapping, text, wanted))
}

/// Opens `file` anew and takes the first free lease of `role` through that description. It must be one of its
/// own, which no mapping was made through either: a forked child inherits mappings, and each keeps its
/// description, and so the description's locks, alive.
fn own_lease(
    file: &impl AsRawFd,
    mapping: &Mapping,
    text: &str,
    sizes: Sizes,
    role: Role,
) -> Result<(Lease, u32), OpenError> {
    let home = home(text)?;
    let lease = Lease::open(home, || place::reopen(file, text))?;
    // Where others repair what the dead left, they have the leases of the dead for a moment.
    let attempts = if sizes.kind() == Kind::Mpmc { REPAIR_PATIENCE } else { 1 };
    for attempt in 0..attempts {
        if attempt > 0 {
            nap(Duration::from_millis(1));
        }
        if let Some(id) = take_free(&lease, text, sizes.ids(role))? {
            return Ok((lease, id));
        }
    }
    Err(no_place(mapping, text, sizes, role))
}

/// Takes the first lease of `ids` that is free.
fn take_free(lease: &Lease, text: &str, ids: Range<u32>) -> Result<Option<u32>, OpenError> {
    let failed = |source| OpenError::System { call: "lock (OFD)", place: text.to_owned(), source };
    for id in ids {
        if lease::take(lease, id).map_err(failed)? {
            return Ok(Some(id));
        }
    }
    Ok(None)
}

/// The error of one who finds every place of `role` taken. A single holder is named, as far as it has said who it
/// is.
fn no_place(mapping: &Mapping, text: &str, sizes: Sizes, role: Role) -> OpenError {
    let place = text.to_owned();
    let places = sizes.places();
    if places > 1 {
        return OpenError::NoPlace { place, role, places };
    }
    OpenError::AlreadyAttached { place, role, pid: pid_at(mapping, sizes.ids(role).start) }
}

/// The error of one who finds both sides taken, or the one that it wanted.
fn no_side(mapping: &Mapping, text: &str, wanted: Option<Side>) -> OpenError {
    let place = text.to_owned();
    // Of a side whose ends live apart, one may have left.
    let pid = |side: Side| {
        let (producer, consumer) = side.ids();
        Some(pid_at(mapping, producer)).filter(|pid| *pid != 0).unwrap_or_else(|| pid_at(mapping, consumer))
    };
    match wanted {
        Some(side) => OpenError::SideTaken { place, side, pid: pid(side) },
        None => OpenError::NoSide { place, pids: Side::BOTH.map(pid) },
    }
}

/// The process of participant `id`, as far as it has said; else 0.
fn pid_at(mapping: &Mapping, id: u32) -> u32 {
    let line = mapping.part::<Participant>(participant::line_at(id));
    if line.said() == Said::Attached { line.pid() } else { 0 }
}

/// Makes a new segment and links it. `None`: the name exists by now.
fn create(place: &Place, request: &Request, entrant: Option<Entrant>) -> Result<Option<Segment>, OpenError> {
    let new: Unnamed = place.unnamed()?;
    let total = request.plan.sizes.total();
    reserve::reserve(&new.file, place.text(), Some(place.directory()), total)?;
    let mapping = Mapping::of(&new.file, place.text(), total)?;
    let birth = birth();
    mapping.write_header(&request.plan.header(birth));
    let header = request.plan.checked(birth);
    let segment = match entrant {
        Some(entrant) => {
            let seat = own_seat(&new.file, &mapping, place.text(), header.sizes, entrant)?;
            Segment::seated(mapping, header, place.text(), seat)?
        }
        None => Segment::joined(mapping, header, place.text(), None, 0)?,
    };
    segment.touch(request);
    let durable = request.plan.sizes.is_durable();
    if durable {
        new.file.sync_all().map_err(|source| place.system("fsync", source))?;
    }
    if !place.link(&new, request.mode)? {
        return Ok(None);
    }
    if durable && let Err(error) = place.sync() {
        place.unlink(&new.file)?;
        return Err(error);
    }
    Ok(Some(segment))
}

/// This process, whose fork handlers are installed from now on.
fn home(text: &str) -> Result<Home, OpenError> {
    Home::here().map_err(|source| OpenError::System {
        call: "mmap (of the fork guard)",
        place: text.to_owned(),
        source,
    })
}

impl Segment {
    fn joined(
        mapping: impl Into<Arc<Mapping>>,
        header: Header,
        text: &str,
        lease: Option<Lease>,
        id: u32,
    ) -> Result<Segment, OpenError> {
        let home = home(text)?;
        let (mapping, text, locked) = (mapping.into(), text.to_owned(), OnceCell::new());
        Ok(Segment { mapping, header, text, id, place: None, locked, lease, spare: None, home })
    }

    fn seated(mapping: Mapping, header: Header, text: &str, seat: Seat) -> Result<Segment, OpenError> {
        let segment = Segment::joined(mapping, header, text, Some(seat.lease), seat.id)?;
        Ok(Segment { spare: seat.spare, ..segment })
    }

    /// `duplex`: the same segment, joined as the consumer of this side; once.
    pub(crate) fn other_end(&mut self) -> Option<Segment> {
        let (lease, id) = self.spare.take()?;
        let (mapping, header, text) = (self.mapping.clone(), self.header.clone(), self.text.clone());
        let (place, locked, lease) = (self.place.clone(), OnceCell::new(), Some(lease));
        Some(Segment { mapping, header, text, id, place, locked, lease, spare: None, home: self.home })
    }

    /// The participants whose leases are not in this value.
    fn others(&self) -> impl Iterator<Item = Range<u32>> {
        let all = self.header.sizes.all_ids();
        let spare = self.spare.as_ref().map_or(all.end, |(_, id)| *id);
        [all.start..spare, spare + 1..all.end].into_iter().filter(|ids| !ids.is_empty())
    }

    /// Joins the same segment as one more participant.
    pub(crate) fn join_again(&self, role: Role) -> Result<Segment, OpenError> {
        let file = File::from(self.descriptor()?);
        let _membership = membership(&file, &self.text)?;
        let (lease, id) = own_lease(&file, &self.mapping, &self.text, self.header.sizes, role)?;
        let (mapping, header) = (self.mapping.clone(), self.header.clone());
        let mut segment = Segment::joined(mapping, header, &self.text, Some(lease), id)?;
        segment.place = self.place.clone();
        Ok(segment)
    }

    /// A system call failed on this segment.
    pub(crate) fn system(&self, call: &'static str, source: io::Error) -> OpenError {
        OpenError::System { call, place: self.text.clone(), source }
    }

    /// Writes the segment to the disk; all of it `again`, whatever the system takes for written. `None`: the segment has no
    /// file that can be told.
    pub(crate) fn sync(&self, again: bool) -> Option<io::Result<()>> {
        let file = self.own()?;
        let ready = if again { self.mapping.write_again() } else { Ok(()) };
        Some(ready.and_then(|()| file.sync_data()))
    }

    fn named(mut self, place: Place) -> Segment {
        self.place = Some(Arc::new(place));
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

    /// This participant's lease, if there are leases and this is the process that has it.
    fn own(&self) -> Option<&Lease> {
        self.lease.as_ref().filter(|_| self.home.is_here())
    }

    /// Can it be told who lives? Not in hosted memory without leases, nor by a forked child's handle.
    pub(crate) fn has_leases(&self) -> bool {
        self.own().is_some()
    }

    /// Does any other participant with `role` live? `None`: that cannot be told.
    pub(crate) fn lives(&self, role: Role) -> Option<io::Result<bool>> {
        let holder = lease::held_among(self.own()?, self.header.sizes.ids(role));
        Some(holder.map(|holder| holder.is_some()))
    }

    /// Does the other participant `id` live? `None`: that cannot be told.
    pub(crate) fn lives_id(&self, id: u32) -> Option<io::Result<bool>> {
        Some(lease::is_held(self.own()?, id))
    }

    /// Takes the lease of the participant `id` if it is dead: from then on nobody else repairs what it left, nor
    /// takes its place, until [`Segment::give_back`].
    pub(crate) fn try_take(&self, id: u32) -> bool {
        // The own lease is no obstacle to oneself, and no proof of death.
        id != self.id && self.own().is_some_and(|lease| lease::take(lease, id).unwrap_or(false))
    }

    /// Gives a lease back that [`Segment::try_take`] has taken.
    pub(crate) fn give_back(&self, id: u32) {
        if let Some(lease) = self.own() {
            lease::give_back(lease, id);
        }
    }

    /// The descriptor through which this participant holds its lease. `None`: there is none, or it is the parent's.
    pub(crate) fn lease_descriptor(&self) -> Option<u32> {
        u32::try_from(self.own()?.as_raw_fd()).ok()
    }

    /// Says that this participant is ready for `call`. `false`: another says so in its place.
    pub(crate) fn listen(&self, call: SignalCall) -> io::Result<bool> {
        self.own().map_or(Ok(false), |lease| lease::listen(lease, self.id, call))
    }

    /// Takes that back. A signal may still be on its way.
    pub(crate) fn listen_no_more(&self, call: SignalCall) {
        if let Some(lease) = self.own() {
            lease::listen_no_more(lease, self.id, call);
        }
    }

    /// The process `pid`, if it is the participant `id` and ready for `call`. An error: this process lacks what it takes to
    /// find out.
    pub(crate) fn holder(&self, id: u32, pid: u32, call: SignalCall) -> io::Result<Option<Holder>> {
        match self.locked()? {
            Some(on) => holder::holder(on, id, pid, call),
            None => Ok(None),
        }
    }

    /// Its file, as the kernel names it among locks.
    fn locked(&self) -> io::Result<Option<LockedFile>> {
        if let Some(on) = self.locked.get() {
            return Ok(Some(*on));
        }
        let Some(lease) = self.own() else { return Ok(None) };
        let on = lease::with_some_lock(lease, self.id, || LockedFile::of(lease))?;
        Ok(on.map(|on| *self.locked.get_or_init(|| on)))
    }

    /// Where the segment's name leads by now; a segment without a name has kept what it had.
    pub(crate) fn name(&self) -> Name {
        match (&self.place, self.own()) {
            (Some(place), Some(lease)) => place.leads_to(lease),
            _ => Name::Kept,
        }
    }

    /// A new descriptor of the segment, to be handed to another process. It shares no lease with this handle.
    pub(crate) fn descriptor(&self) -> Result<OwnedFd, OpenError> {
        let none = |why| Err(OpenError::NoDescriptor { place: self.text.clone(), why });
        match &self.lease {
            _ if self.mapping.is_hosted() => none("hosted memory is not behind a descriptor of ringway's"),
            Some(lease) if self.home.is_here() => place::reopen(&**lease, &self.text).map(Into::into),
            _ => none("the handle belongs to the parent process"),
        }
    }

    /// Leaves: says goodbye by `goodbye`, gives the lease back, and unlinks the name if nobody else is here
    /// and `drained`.
    pub(crate) fn leave(&self, goodbye: impl FnOnce(), drained: impl FnOnce() -> bool) {
        goodbye();
        let Some(lease) = &self.lease else {
            return;
        };
        // Whoever cannot have the lock (its holder is stopped) leaves the name to the next one.
        let membership = Membership::lock(lease).ok().flatten();
        if let (Some(place), Some(_)) = (&self.place, &membership) {
            let alone = matches!(lease::held_among(lease, self.header.sizes.all_ids()), Ok(None));
            if alone && !self.header.persist && drained() {
                // A failure (a read-only or sticky directory) leaves the name to `ringway rm`.
                let unlinked = place.unlink(lease);
                if self.header.sizes.is_durable() && unlinked.is_ok() {
                    // The name could come back after a loss of power, with what it had at the last sync.
                    let _ = place.sync();
                }
            }
        }
        lease::give_back(lease, self.id);
    }
}
