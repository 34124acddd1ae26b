//! What is known of a ring, as a person and as a program want to read it.

use std::time::SystemTime;

use bytesize::ByteSize;
use comfy_table::{CellAlignment, Table, presets};
use ringway::inspect::{Entry, ParticipantReport, Report};
use ringway::{Counters, Fence, Geometry, Kind, Peer, Role, Side};
use serde::Serialize;

/// One entry of `ringway ls --json`: a ring, or why it cannot be read.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum EntryView {
    /// A ring.
    Ring(Box<RingView>),
    /// Something that has a ring's name and is none, or is not ours to read.
    Unreadable {
        /// Its address.
        address: String,
        /// The reason.
        error: String,
    },
}

impl From<Entry> for EntryView {
    fn from(entry: Entry) -> Self {
        match entry.report {
            Ok(report) => Self::Ring(Box::new(RingView::from(&report))),
            Err(error) => Self::Unreadable { address: entry.address.to_string(), error: error.to_string() },
        }
    }
}

/// A ring in JSON. Sizes are bytes.
#[derive(Debug, Serialize)]
pub struct RingView {
    address: String,
    kind: &'static str,
    backing: &'static str,
    size: u64,
    capacity: u64,
    largest: u64,
    payload_align: u64,
    total: u64,
    #[serde(flatten)]
    filling: FillingView,
    corrupt: Option<String>,
    persist: bool,
    durable: bool,
    dropped: u64,
    mode: String,
    uid: u32,
    instance: String,
    wake: &'static str,
    fence: &'static str,
    type_description: Option<String>,
    created_unix: u64,
    age_seconds: u64,
    boot_current: bool,
    participants: Vec<ParticipantView>,
}

/// What a ring counts in, and how much of it is used.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum FillingView {
    /// Bytes of records.
    Bytes {
        /// How many are sent and not released.
        used: Option<u64>,
    },
    /// Slots.
    Slots {
        /// How many there are.
        slots: u64,
        /// How many of them are not free.
        slots_used: Option<u64>,
        /// Bytes of one.
        slot_size: u64,
        /// Bytes of a message up to which it lies beside its slot's word.
        inline: u64,
        /// How many participants of each role the ring takes.
        places: u32,
        /// Is a message that a dead consumer had in hand dropped?
        at_most_once: bool,
    },
}

impl From<&Report> for FillingView {
    fn from(report: &Report) -> Self {
        let geometry = &report.geometry;
        let used = report.used.ok();
        match geometry.kind {
            Kind::Mpmc => Self::Slots {
                slots: geometry.slots,
                slots_used: used,
                slot_size: geometry.slot_size,
                inline: geometry.inline,
                places: geometry.places,
                at_most_once: geometry.at_most_once,
            },
            _ => Self::Bytes { used },
        }
    }
}

/// A participant in JSON.
#[derive(Debug, Serialize)]
struct ParticipantView {
    role: &'static str,
    /// Of a duplex: whose end it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    side: Option<&'static str>,
    id: u32,
    state: &'static str,
    holds: bool,
    pid: u32,
    started_ticks: u64,
    messages: u64,
    bytes: u64,
    waits: u64,
    sleeps: u64,
    wakes: u64,
    tombstones: u64,
    redelivered: u64,
    dropped: u64,
}

impl From<&Report> for RingView {
    fn from(report: &Report) -> Self {
        let geometry = &report.geometry;
        let created = report.created.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self {
            address: report.address.to_string(),
            kind: geometry.kind.as_str(),
            backing: geometry.backing.as_str(),
            size: geometry.size,
            capacity: geometry.capacity,
            largest: geometry.largest,
            payload_align: geometry.payload_align,
            total: geometry.total,
            filling: FillingView::from(report),
            corrupt: report.used.as_ref().err().map(ToString::to_string),
            persist: geometry.persist,
            durable: geometry.durable,
            dropped: report.dropped,
            mode: format!("{:04o}", report.mode),
            uid: report.uid,
            instance: format!("{:032x}", geometry.instance),
            wake: geometry.wake.as_str(),
            fence: match geometry.fence {
                Fence::Asymmetric => "asymmetric",
                Fence::Symmetric => "symmetric",
            },
            type_description: geometry.type_description.clone(),
            created_unix: created.as_secs(),
            age_seconds: age_seconds(report),
            boot_current: report.boot_current,
            participants: report.participants.iter().map(ParticipantView::from).collect(),
        }
    }
}

impl From<&ParticipantReport> for ParticipantView {
    fn from(participant: &ParticipantReport) -> Self {
        let counters = &participant.counters;
        Self {
            role: role(participant.role),
            side: participant.side.map(Side::as_str),
            id: participant.id,
            state: state(participant.state),
            holds: participant.holds,
            pid: participant.pid,
            started_ticks: participant.started,
            messages: counters.messages,
            bytes: counters.bytes,
            waits: counters.waits,
            sleeps: counters.sleeps,
            wakes: counters.wakes,
            tombstones: counters.tombstones,
            redelivered: counters.redelivered,
            dropped: counters.dropped,
        }
    }
}

/// The table of `ringway ls`, and below it whatever could not be read.
pub fn list_text(entries: &[Entry]) -> String {
    let mut table = plain_table();
    table.set_header(["NAME", "KIND", "SIZE", "USED", "PRODUCER", "CONSUMER", "AGE"]);
    for column in [2, 3] {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    for entry in entries {
        match &entry.report {
            Ok(report) => table.add_row(list_row(report)),
            Err(error) => table.add_row([entry.address.to_string(), format!("unreadable: {error}")]),
        };
    }
    table.trim_fmt()
}

/// One row of `ringway ls`.
fn list_row(report: &Report) -> [String; 7] {
    [
        report.address.to_string(),
        report.geometry.kind.as_str().to_owned(),
        bytes(report.geometry.size),
        used_text(report),
        participants_text(report, Role::Producer),
        participants_text(report, Role::Consumer),
        age_text(report),
    ]
}

/// The text of `ringway inspect`.
pub fn ring_text(report: &Report) -> String {
    let geometry = &report.geometry;
    let mut table = plain_table();
    let mut row = |name: &str, value: String| {
        table.add_row([name.to_owned(), value]);
    };
    row("address", report.address.to_string());
    row("kind", format!("{} on {}", geometry.kind.as_str(), geometry.backing.as_str()));
    for (name, value) in size_rows(geometry) {
        row(name, value);
    }
    row("used", used_text(report));
    row("alignment", format!("{} bytes", geometry.payload_align));
    row("segment", bytes(geometry.total));
    row("permissions", format!("{:04o}, user {}", report.mode, report.uid));
    row("persist", if geometry.persist { "yes" } else { "no" }.to_owned());
    if geometry.durable {
        row("durable", format!("yes; {} messages lost so far", report.dropped));
    }
    row("wake", geometry.wake.as_str().to_owned());
    row("instance", format!("{:032x}", geometry.instance));
    let made = if report.boot_current { "" } else { ", made before the last boot" };
    row("age", format!("{}{made}", age_text(report)));
    if let Some(shape) = &geometry.type_description {
        row("messages", shape.escape_debug().to_string());
    }
    for participant in &report.participants {
        row(&label(participant), participant_line(participant));
    }
    table.trim_fmt()
}

/// How large a ring is, and what follows from its kind.
fn size_rows(geometry: &Geometry) -> Vec<(&'static str, String)> {
    let Geometry { size, capacity, largest, slots, slot_size, inline, places, .. } = geometry;
    let size = bytes(*size);
    match geometry.kind {
        Kind::Mpmc => vec![
            (
                "size",
                format!(
                    "{size}, {slots} slots of {slot_size} bytes, {inline} inline, {largest} in one message"
                ),
            ),
            ("participants", format!("up to {places} of each role")),
            ("delivery", if geometry.at_most_once { "at most once" } else { "at least once" }.to_owned()),
        ],
        Kind::Duplex => {
            vec![("size", format!("{size} each way, {capacity} bytes usable, {largest} in one message"))]
        }
        _ => vec![("size", format!("{size}, {capacity} bytes usable, {largest} in one message"))],
    }
}

/// A participant with what it counted.
fn participant_line(participant: &ParticipantReport) -> String {
    if participant.state == Peer::Absent {
        return state(participant.state).to_owned();
    }
    let counters = &participant.counters;
    let mut line = format!("{}, pid {}", state(participant.state), participant.pid);
    if participant.holds {
        line.push_str(match participant.role {
            Role::Producer => ", holds a claim",
            Role::Consumer => ", holds a message",
        });
    }
    line.push_str(&format!(
        ": {} messages, {}, {} waits, {} sleeps, {} wakes",
        counters.messages,
        bytes(counters.bytes),
        counters.waits,
        counters.sleeps,
        counters.wakes
    ));
    line + &repairs_text(counters)
}

/// What a participant did for dead ones, if anything.
fn repairs_text(counters: &Counters) -> String {
    let repairs = [
        (counters.tombstones, "tombstones"),
        (counters.redelivered, "redelivered"),
        (counters.dropped, "dropped"),
    ];
    repairs.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!(", {count} {what}")).collect()
}

/// State and pid of whoever has `wanted` as its role (of a duplex: on each side), the pid only of those it still tells something
/// about; how many live or died where there may be many.
fn participants_text(report: &Report, wanted: Role) -> String {
    let all = || report.participants.iter().filter(|participant| participant.role == wanted);
    if report.geometry.kind == Kind::Duplex {
        return all().map(participant_text).collect::<Vec<_>>().join(", ");
    }
    if report.geometry.places > 1 {
        let count = |wanted| all().filter(|participant| participant.state == wanted).count();
        let (attached, dead) = (count(Peer::Attached), count(Peer::Dead));
        return match (attached, dead) {
            (0, 0) => state(all().next().map_or(Peer::Absent, |participant| participant.state)).to_owned(),
            (_, 0) => format!("{attached} attached"),
            (0, _) => format!("{dead} dead"),
            (_, _) => format!("{attached} attached, {dead} dead"),
        };
    }
    all().next().map_or_else(|| state(Peer::Absent).to_owned(), participant_text)
}

/// State and pid of a participant.
fn participant_text(participant: &ParticipantReport) -> String {
    match participant.state {
        Peer::Attached | Peer::Dead => format!("{} {}", state(participant.state), participant.pid),
        other => state(other).to_owned(),
    }
}

/// A table without lines, whose columns stand two blanks apart.
fn plain_table() -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table
}

fn role(role: Role) -> &'static str {
    match role {
        Role::Producer => "producer",
        Role::Consumer => "consumer",
    }
}

/// What a participant is called: its role, and of a duplex its side.
fn label(participant: &ParticipantReport) -> String {
    let role = role(participant.role);
    participant.side.map_or_else(|| role.to_owned(), |side| format!("{side} {role}"))
}

fn state(peer: Peer) -> &'static str {
    match peer {
        Peer::Absent => "absent",
        Peer::Attached => "attached",
        Peer::Closed => "closed",
        Peer::Dead => "dead",
        _ => "unknown",
    }
}

fn bytes(count: u64) -> String {
    ByteSize(count).to_string()
}

/// What is sent and not released, or the word that says that it cannot be told.
fn used_text(report: &Report) -> String {
    match (report.used, report.geometry.kind) {
        (Err(_), _) => "corrupt".to_owned(),
        (Ok(used), Kind::Mpmc) => format!("{used} of {} slots", report.geometry.slots),
        (Ok(used), _) => bytes(used),
    }
}

fn age_seconds(report: &Report) -> u64 {
    report.created.elapsed().unwrap_or_default().as_secs()
}

fn age_text(report: &Report) -> String {
    humantime::format_duration(std::time::Duration::from_secs(age_seconds(report))).to_string()
}
