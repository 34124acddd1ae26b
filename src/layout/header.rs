//! The header: what a segment says of itself, written once at creation and read once at open.
//!
//! A [`RawHeader`] is bytes that anybody may have written; a [`Header`] has been checked. Only the latter
//! has fields that other code can see.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::{Sizes, duplex, mpmc, spsc};
use crate::error::{Corrupt, OpenError};
use crate::shape;

/// The first eight bytes of every segment, stored last. Read in the other byte order it differs, so it tells
/// a foreign endianness too.
pub(crate) const MAGIC: u64 = u64::from_le_bytes(*b"ringway\x1a");
/// The version of the layout that this crate reads and writes.
pub(crate) const LAYOUT_VERSION: u32 = 2;
/// Bytes for the description of the message type.
pub(crate) const DESCRIPTION_MAX: usize = 3840;

const FLAG_PERSIST: u32 = 1;
const FLAG_AT_MOST_ONCE: u32 = 2;
const FLAG_DURABLE: u32 = 4;

/// What messages without a type are called in errors.
const UNTYPED: &str = "untyped bytes";

/// Which ring a segment holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// One producer, one consumer, records of variable length.
    Spsc,
    /// Many producers, many consumers, each message to one of them.
    Mpmc,
    /// Two sides, each of which sends to the other: an `spsc` ring for each direction.
    Duplex,
}

impl Kind {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Spsc => "spsc",
            Kind::Mpmc => "mpmc",
            Kind::Duplex => "duplex",
        }
    }

    pub(crate) fn number(self) -> u32 {
        match self {
            Kind::Spsc => 1,
            Kind::Mpmc => 2,
            Kind::Duplex => 3,
        }
    }
}

/// What the participants of a ring that sleep in a blocking call are woken by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Wake {
    /// A futex on a word that all of one side share.
    #[default]
    Futex,
    /// A POSIX semaphore of each participant's own, laid out as 64-bit glibc's `sem_t`, so that a peer in C may `sem_post`
    /// it. A wake-up costs a little more.
    Semaphore,
}

impl Wake {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Wake::Futex => "futex",
            Wake::Semaphore => "semaphore",
        }
    }

    fn number(self) -> u32 {
        match self {
            Wake::Futex => 0,
            Wake::Semaphore => 1,
        }
    }

    fn from_number(number: u32) -> Result<Wake, Corrupt> {
        match number {
            0 => Ok(Wake::Futex),
            1 => Ok(Wake::Semaphore),
            _ => Err(Corrupt { what: "wake kind in the header", found: number.into(), allowed: 1 }),
        }
    }
}

/// The header's bytes.
#[derive(Clone, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(crate) struct RawHeader {
    magic: u64,
    layout_version: u32,
    kind: u32,
    total: u64,
    /// Bytes of the ring; `mpmc`: of a slot's block; `duplex`: of each ring.
    size: u64,
    /// `mpmc`: how many slots.
    slots: u64,
    largest: u64,
    align: u32,
    participants: u32,
    wake: u32,
    flags: u32,
    fingerprint: [u64; 2],
    instance: [u64; 2],
    boot: [u64; 2],
    created: u64,
    description_len: u32,
    /// `mpmc`: bytes of a message that a descriptor holds.
    inline: u32,
    reserved: [u32; 32],
    description: [u8; DESCRIPTION_MAX],
}

#[cfg(not(loom))]
static_assertions::assert_eq_size!(RawHeader, [u8; super::PAGE as usize]);

/// Bytes of the header.
pub(crate) const HEADER_LEN: usize = core::mem::size_of::<RawHeader>();

/// A header that was checked against the segment's length and the opener's expectations.
#[derive(Clone, Debug)]
pub(crate) struct Header {
    pub(crate) sizes: Sizes,
    pub(crate) wake: Wake,
    pub(crate) persist: bool,
    /// A message that a dead consumer had in hand is dropped, not delivered again.
    pub(crate) at_most_once: bool,
    pub(crate) instance: u128,
    pub(crate) boot: u128,
    pub(crate) created: u64,
    pub(crate) description: Option<String>,
}

/// What a new segment is to say of itself.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) sizes: Sizes,
    pub(crate) wake: Wake,
    pub(crate) persist: bool,
    /// A message that a dead consumer had in hand is dropped, not delivered again.
    pub(crate) at_most_once: bool,
    /// The structure of typed messages; `None`: untyped bytes.
    pub(crate) description: Option<String>,
}

/// Facts about this creation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Birth {
    pub(crate) instance: u128,
    pub(crate) boot: u128,
    /// Nanoseconds since 1970.
    pub(crate) created: u64,
}

impl Plan {
    /// The header of a new segment.
    pub(crate) fn header(&self, birth: Birth) -> RawHeader {
        let flag = |set: bool, flag: u32| if set { flag } else { 0 };
        let flags = [
            flag(self.persist, FLAG_PERSIST),
            flag(self.at_most_once, FLAG_AT_MOST_ONCE),
            flag(self.sizes.is_durable(), FLAG_DURABLE),
        ];
        let (size, slots, inline) = numbers(self.sizes);
        let mut raw = RawHeader {
            magic: MAGIC,
            layout_version: LAYOUT_VERSION,
            kind: self.sizes.kind().number(),
            total: self.sizes.total(),
            size,
            slots,
            largest: self.sizes.largest(),
            align: self.sizes.align() as u32,
            participants: 2 * self.sizes.places(),
            wake: self.wake.number(),
            flags: flags.into_iter().sum(),
            fingerprint: [0; 2],
            instance: halves(birth.instance),
            boot: halves(birth.boot),
            created: birth.created,
            description_len: 0,
            inline,
            reserved: [0; 32],
            description: [0; DESCRIPTION_MAX],
        };
        if let Some(description) = &self.description {
            let len = description.len().min(DESCRIPTION_MAX);
            raw.fingerprint = halves(shape::fingerprint(description));
            raw.description_len = len as u32;
            raw.description[..len].copy_from_slice(&description.as_bytes()[..len]);
        }
        raw
    }

    /// The same, checked: what an opener of the new segment would see.
    pub(crate) fn checked(&self, birth: Birth) -> Header {
        Header {
            sizes: self.sizes,
            wake: self.wake,
            persist: self.persist,
            at_most_once: self.at_most_once,
            instance: birth.instance,
            boot: birth.boot,
            created: birth.created,
            description: self.description.clone(),
        }
    }
}

impl RawHeader {
    /// The total length that it claims.
    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    /// The same header, but of the boot with this id.
    pub(crate) fn of_boot(self, boot: u128) -> RawHeader {
        RawHeader { boot: halves(boot), ..self }
    }

    /// Checks the header of a segment of `length` bytes.
    pub(crate) fn check(&self, place: &str, length: u64) -> Result<Header, OpenError> {
        self.check_origin(place)?;
        let corrupt = |corrupt| OpenError::Corrupt { place: place.to_owned(), corrupt };
        let sizes = match self.kind {
            1 => self.check_spsc(),
            2 => self.check_mpmc(),
            3 => self.check_duplex(),
            kind => {
                let (place, found) = (place.to_owned(), kind.to_string());
                return Err(OpenError::Kind { place, found, expected: "1 (spsc), 2 (mpmc) or 3 (duplex)" });
            }
        };
        let sizes = sizes.and_then(|sizes| self.check_rest(sizes)).map_err(corrupt)?;
        if length != sizes.total() {
            return Err(OpenError::Length {
                place: place.to_owned(),
                found: length,
                expected: sizes.total(),
            });
        }
        Ok(Header {
            sizes,
            wake: Wake::from_number(self.wake).map_err(corrupt)?,
            persist: self.flags & FLAG_PERSIST != 0,
            at_most_once: self.flags & FLAG_AT_MOST_ONCE != 0,
            instance: whole(self.instance),
            boot: whole(self.boot),
            created: self.created,
            description: self.check_description().map_err(corrupt)?,
        })
    }

    /// Is this a segment, and one that this crate can read?
    fn check_origin(&self, place: &str) -> Result<(), OpenError> {
        if self.magic != MAGIC {
            let found = if self.magic == MAGIC.swap_bytes() {
                "it was written by a machine of the other byte order".to_owned()
            } else {
                format!("its first bytes are {:02x?}", self.magic.to_ne_bytes())
            };
            return Err(OpenError::NotASegment { place: place.to_owned(), found });
        }
        if self.layout_version != LAYOUT_VERSION {
            return Err(OpenError::LayoutVersion {
                place: place.to_owned(),
                found: self.layout_version,
                expected: LAYOUT_VERSION,
            });
        }
        Ok(())
    }

    fn check_spsc(&self) -> Result<Sizes, Corrupt> {
        Ok(Sizes::Spsc(spsc::Sizes { durable: self.flags & FLAG_DURABLE != 0, ..self.check_ring()? }))
    }

    fn check_duplex(&self) -> Result<Sizes, Corrupt> {
        Ok(Sizes::Duplex(duplex::Sizes { ring: self.check_ring()? }))
    }

    /// Checks the sizes of a record ring.
    fn check_ring(&self) -> Result<spsc::Sizes, Corrupt> {
        spsc::Sizes::new(self.size, u64::from(self.align)).map_err(|_| Corrupt {
            what: "ring size (or alignment) in the header",
            found: self.size,
            allowed: spsc::SIZE_MAX,
        })
    }

    fn check_mpmc(&self) -> Result<Sizes, Corrupt> {
        let places = self.participants / 2;
        let sizes = mpmc::Sizes::new(self.slots, self.size, self.inline.into(), places);
        sizes.map(Sizes::Mpmc).map_err(|(option, found, _)| Corrupt {
            what: match option {
                "slots" => "slot count in the header",
                "inline size" => "inline size in the header",
                "participants" => "participant count in the header",
                _ => "slot size in the header",
            },
            found,
            allowed: 0,
        })
    }

    /// Checks what follows from the sizes.
    fn check_rest(&self, sizes: Sizes) -> Result<Sizes, Corrupt> {
        let flags = match sizes {
            Sizes::Spsc(_) => FLAG_PERSIST | FLAG_DURABLE,
            Sizes::Mpmc(_) => FLAG_PERSIST | FLAG_AT_MOST_ONCE,
            Sizes::Duplex(_) => FLAG_PERSIST,
        };
        let (_, slots, inline) = numbers(sizes);
        for (what, found, expected) in [
            ("total length in the header", self.total, sizes.total()),
            ("largest message in the header", self.largest, sizes.largest()),
            ("slot count in the header", self.slots, slots),
            ("inline size in the header", self.inline.into(), inline.into()),
            ("payload alignment in the header", self.align.into(), sizes.align()),
            ("participant count in the header", self.participants.into(), (2 * sizes.places()).into()),
            ("flags in the header", (self.flags & !flags).into(), 0),
        ] {
            if found != expected {
                return Err(Corrupt { what, found, allowed: expected });
            }
        }
        Ok(sizes)
    }

    fn check_description(&self) -> Result<Option<String>, Corrupt> {
        let len = self.description_len as usize;
        let bytes = self.description.get(..len).ok_or(Corrupt {
            what: "length of the type description in the header",
            found: len as u64,
            allowed: DESCRIPTION_MAX as u64,
        })?;
        if len == 0 {
            return Ok(None);
        }
        let text = String::from_utf8_lossy(bytes).into_owned();
        if halves(shape::fingerprint(&text)) != self.fingerprint {
            return Err(Corrupt {
                what: "type fingerprint in the header",
                found: self.fingerprint[0],
                allowed: halves(shape::fingerprint(&text))[0],
            });
        }
        Ok(Some(text))
    }
}

/// A header as somebody would make it who knows what is checked.
#[cfg(fuzzing)]
impl RawHeader {
    /// The same, but of this crate's.
    pub(crate) fn with_origin(self) -> RawHeader {
        RawHeader { magic: MAGIC, layout_version: LAYOUT_VERSION, ..self }
    }

    /// The same, but what follows from its sizes is right, if they are possible.
    pub(crate) fn with_consequences(self) -> RawHeader {
        let sizes = if self.kind == 1 { self.check_spsc() } else { self.check_mpmc() };
        let Ok(sizes) = sizes else { return self };
        let (_, slots, inline) = numbers(sizes);
        let (total, largest, align) = (sizes.total(), sizes.largest(), sizes.align() as u32);
        RawHeader { total, largest, slots, inline, align, participants: 2 * sizes.places(), ..self }
    }

    /// The same, but its fingerprint is that of its description, if that has a possible length.
    pub(crate) fn with_fingerprint(self) -> RawHeader {
        let text = self.description.get(..self.description_len as usize).map(String::from_utf8_lossy);
        let fingerprint = text.map_or(self.fingerprint, |text| halves(shape::fingerprint(&text)));
        RawHeader { fingerprint, ..self }
    }
}

impl Header {
    /// Do messages of this ring have the structure `expected` (`None`: untyped bytes)?
    pub(crate) fn check_type(&self, place: &str, expected: Option<&str>) -> Result<(), OpenError> {
        if self.description.as_deref() == expected {
            return Ok(());
        }
        let found = self.description.as_deref().unwrap_or(UNTYPED);
        let expected = expected.unwrap_or(UNTYPED);
        Err(OpenError::Type {
            place: place.to_owned(),
            difference: shape::difference(found, expected),
            // Whoever made the segment may have written anything, terminal escapes included.
            found: found.escape_debug().to_string(),
            expected: expected.to_owned(),
        })
    }
}

/// What the header says of a ring's sizes: size, slots, inline.
fn numbers(sizes: Sizes) -> (u64, u64, u32) {
    match sizes {
        Sizes::Spsc(sizes) => (sizes.size, 0, 0),
        Sizes::Mpmc(sizes) => (sizes.slot_size, sizes.slots, sizes.inline as u32),
        Sizes::Duplex(sizes) => (sizes.ring.size, 0, 0),
    }
}

fn halves(value: u128) -> [u64; 2] {
    [value as u64, (value >> 64) as u64]
}

fn whole([low, high]: [u64; 2]) -> u128 {
    u128::from(low) | u128::from(high) << 64
}

#[cfg(test)]
mod tests {
    use super::*;

    const BIRTH: Birth = Birth { instance: 1 << 100 | 5, boot: 7, created: 9 };

    fn plan(description: Option<&str>) -> Plan {
        Plan {
            sizes: Sizes::Spsc(spsc::Sizes::new(4096, 64).expect("valid sizes")),
            wake: Wake::Semaphore,
            persist: true,
            at_most_once: false,
            description: description.map(str::to_owned),
        }
    }

    #[test]
    fn a_header_comes_back_as_it_went_in() {
        let plan = plan(Some("{x: u64 @0} size 8 align 8"));
        let header = plan.header(BIRTH).check("shm:a", plan.sizes.total()).expect("a valid header");
        assert_eq!((header.sizes, header.wake), (plan.sizes, plan.wake));
        assert_eq!(header.instance, BIRTH.instance);
        assert_eq!(header.description, plan.description);
        assert!(header.persist);
    }

    #[test]
    fn every_single_wrong_field_is_an_error_of_its_own() {
        let plan = plan(None);
        let total = plan.sizes.total();
        let check = |change: fn(&mut RawHeader)| {
            let mut raw = plan.header(BIRTH);
            change(&mut raw);
            raw.check("shm:a", total).expect_err("a wrong field").to_string()
        };
        assert!(check(|raw| raw.magic = 0).contains("not a ringway segment"));
        assert!(check(|raw| raw.magic = MAGIC.swap_bytes()).contains("byte order"));
        assert!(check(|raw| raw.layout_version = 9).contains("layout version 9"));
        assert!(check(|raw| raw.kind = 77).contains("kind 77"));
        for size in [0, 1, 4095, u64::MAX] {
            let mut raw = plan.header(BIRTH);
            raw.size = size;
            assert!(matches!(raw.check("a", total), Err(OpenError::Corrupt { .. })), "{size}");
        }
        assert!(check(|raw| raw.align = 7).contains("alignment"));
        assert!(check(|raw| raw.total += 1).contains("total length"));
        assert!(check(|raw| raw.largest += 1).contains("largest message"));
        assert!(check(|raw| raw.slots = 1).contains("slot count"));
        assert!(check(|raw| raw.participants = 3).contains("participant count"));
        assert!(check(|raw| raw.wake = 9).contains("wake kind"));
        assert!(check(|raw| raw.flags |= 64).contains("flags"));
        assert!(check(|raw| raw.description_len = u32::MAX).contains("type description"));
        assert!(check(|raw| raw.description_len = 4).contains("fingerprint"));
    }

    #[test]
    fn a_queue_s_header_comes_back_and_is_checked_field_by_field() {
        let sizes = Sizes::Mpmc(mpmc::Sizes::new(64, 128, 48, 4).expect("valid sizes"));
        let plan = Plan { sizes, at_most_once: true, ..plan(None) };
        let header = plan.header(BIRTH).check("shm:a", sizes.total()).expect("a valid header");
        assert!(header.sizes == sizes && header.at_most_once);
        let check = |change: fn(&mut RawHeader)| {
            let mut raw = plan.header(BIRTH);
            change(&mut raw);
            raw.check("shm:a", sizes.total()).expect_err("a wrong field").to_string()
        };
        assert!(check(|raw| raw.slots = 63).contains("slot count"));
        assert!(check(|raw| raw.size = 129).contains("slot size"));
        assert!(check(|raw| raw.inline = 7).contains("inline size"));
        assert!(check(|raw| raw.inline = 56).contains("total length"));
        assert!(check(|raw| raw.participants = 9).contains("participant count"));
        assert!(check(|raw| raw.participants = 0).contains("participant count"));
        assert!(check(|raw| raw.align = 16).contains("payload alignment"));
        assert!(check(|raw| raw.flags |= 4).contains("flags"));
        assert!(check(|raw| raw.kind = 1).contains("total length"));
    }

    #[test]
    fn a_duplex_s_header_comes_back_and_is_checked_field_by_field() {
        let ring = spsc::Sizes::new(4096, 64).expect("valid sizes");
        let sizes = Sizes::Duplex(duplex::Sizes { ring });
        let plan = Plan { sizes, ..plan(None) };
        let header = plan.header(BIRTH).check("shm:a", sizes.total()).expect("a valid header");
        assert_eq!(header.sizes, sizes);
        let check = |change: fn(&mut RawHeader)| {
            let mut raw = plan.header(BIRTH);
            change(&mut raw);
            raw.check("shm:a", sizes.total()).expect_err("a wrong field").to_string()
        };
        assert!(check(|raw| raw.size = 4095).contains("ring size"));
        assert!(check(|raw| raw.size = 8192).contains("total length"));
        assert!(check(|raw| raw.align = 7).contains("alignment"));
        assert!(check(|raw| raw.slots = 1).contains("slot count"));
        assert!(check(|raw| raw.participants = 2).contains("participant count"));
        assert!(check(|raw| raw.flags |= FLAG_DURABLE).contains("flags"));
        assert!(check(|raw| raw.kind = 1).contains("total length"));
    }

    #[test]
    fn a_wrong_length_names_both() {
        let plan = plan(None);
        let error = plan.header(BIRTH).check("shm:a", 100).expect_err("truncated");
        assert!(matches!(error, OpenError::Length { found: 100, .. }));
    }

    #[test]
    fn a_type_mismatch_says_what_both_sides_have() {
        let header = plan(Some("{x: u64 @0}")).checked(BIRTH);
        header.check_type("a", Some("{x: u64 @0}")).expect("the same type");
        let text = header.check_type("a", Some("{x: f64 @0}")).expect_err("another").to_string();
        assert!(text.contains("{x: u64 @0}") && text.contains("{x: f64 @0}"), "{text}");
        let text = header.check_type("a", None).expect_err("untyped").to_string();
        assert!(text.contains("untyped bytes"), "{text}");
    }
}
