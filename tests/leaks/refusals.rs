//! One process that is refused, again and again, for every reason there is.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::path::Path;

use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use ringway::inspect::remove;
use ringway::{Address, OpenError, Owner, Role, Shape, Side, duplex, handover, mpmc, pipe, spsc};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::census::Census;
use crate::common::eventually;
use crate::common::image::{at, patch};
use crate::ground::Ground;
use crate::hosted;
use crate::progress::Progress;
use crate::{cycles, watch};

/// Refusals of each kind before the first census.
const WARM_UP: u64 = 20;
/// How many times as rare those are that take milliseconds.
const RARE: u64 = 100;

/// Where the header has the id of the boot: part of the layout.
const BOOT: u64 = 96;

type Attempt = fn(&Scene) -> Result<(), OpenError>;

/// Every way to be refused, and the name of the error that says so.
const REFUSALS: [(&str, Attempt); 34] = [
    ("Address", |_| open("not/a/name")),
    ("NotFound", |_| spsc::options().create(false).producer("nobody-s").map(drop)),
    ("Exists", |_| spsc::options().create_new(true).consumer("used").map(drop)),
    ("Exists", |_| spsc::options().create_ring("used")),
    ("AlreadyAttached", |_| open("used")),
    ("NoSide", |_| duplex::options().size(4096).endpoint("met").map(drop)),
    ("SideTaken", |_| duplex::options().side(Side::First).endpoint("half-met").map(drop)),
    ("InUse", |_| remove("used", false)),
    ("NoDescriptor", |_| open("fd:987654")),
    ("Unformatted", |_| hosted::unformatted()),
    ("Memory", |_| hosted::too_small()),
    ("NoSpace", |_| spsc::options().size(1 << 30).create_new(true).producer("large").map(drop)),
    ("NoSpace", |_| mpmc::options().slots(1 << 25).create_new(true).producer("large").map(drop)),
    ("Limit", limited),
    ("Option", |_| spsc::options().size(0).producer("impossible").map(drop)),
    ("NotAFile", |_| open("directory")),
    ("NotASegment", |_| open("notes")),
    ("ForeignOwner", |_| spsc::options().owner(Owner::Uid(54_321)).producer("left").map(drop)),
    ("Mode", |_| open("open-to-all")),
    ("LayoutVersion", |_| open("other-version")),
    ("Kind", |_| mpmc::options().producer("left").map(drop)),
    ("Role", handed_to_the_other),
    ("Type", |_| spsc::options().typed::<Reading>().producer("left").map(drop)),
    ("Length", |_| open("truncated")),
    ("Corrupt", |_| open("impossible-size")),
    ("Corrupt", |_| open("impossible-position")),
    ("EarlierBoot", |_| open("other-boot")),
    ("EarlierBoot", |_| mpmc::options().consumer("other-boot-queue").map(drop)),
    ("NotDurable", |_| spsc::options().durable(true).producer("volatile").map(drop)),
    ("NotDurable", |_| spsc::options().durable(true).producer("file:/dev/shm/ringway.left").map(drop)),
    ("NotAPipe", |_| pipe::consumer("/dev/shm/ringway.left").map(drop)),
    ("NotSealed", |scene| open(Address::Fd(scene.unsealed.as_raw_fd()))),
    ("System", |_| open("file:/nowhere/at/all/ring")),
    ("System", |_| remove("file:/nowhere/at/all/ring", true)),
];

/// The same for refusals that wait before they are certain.
const SLOW: [(&str, Attempt); 1] = [("NoPlace", |_| mpmc::options().producer("crowded").map(drop))];
/// Refusals that take seconds: once, however many cycles there are.
const ONCE: [(&str, Attempt); 1] = [("Busy", busy)];

#[derive(Clone, Copy, Shape, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Reading {
    value: f64,
}

/// What stands in everybody's way.
struct Scene {
    _used: spsc::Producer,
    _crowd: [mpmc::Producer; 2],
    _met: [duplex::Endpoint; 3],
    unsealed: File,
}

#[test]
fn refusals_leave_nothing_behind() {
    watch("refusals", cycles(2000) / 10);
}

/// Whoever adds an error adds the way to it here.
#[test]
fn every_reason_for_a_refusal_is_tried() {
    let source =
        fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/src/error/open.rs")).expect("source");
    let (_, after) = source.split_once("pub enum OpenError {\n").expect("the enum");
    let (body, _) = after.split_once("\n}\n").expect("its end");
    let variants = body.lines().filter_map(|line| line.strip_prefix("    "));
    let variants = variants.filter(|line| line.starts_with(|first: char| first.is_ascii_uppercase()));
    let reasons: BTreeSet<&str> =
        variants.map(|line| line.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default()).collect();
    let tried: BTreeSet<&str> = all().map(|(name, _)| name).collect();
    assert_eq!(tried, reasons);
}

fn all() -> impl Iterator<Item = (&'static str, Attempt)> {
    REFUSALS.into_iter().chain(SLOW).chain(ONCE)
}

pub fn refusals(arguments: &[&str]) {
    let Some(ground) = Ground::new() else { return };
    let scene = set(&ground);
    let mut progress = Progress::new("refusals of each kind", arguments[0].parse().expect("a number"));
    ONCE.iter().for_each(|refusal| try_it(refusal, &scene));
    (0..WARM_UP).for_each(|_| REFUSALS.iter().chain(&SLOW).for_each(|refusal| try_it(refusal, &scene)));
    let (stock, before) = (ground.stock(), Census::take());
    for count in 0.. {
        if progress.is_done() {
            break;
        }
        REFUSALS.iter().for_each(|refusal| try_it(refusal, &scene));
        if count % RARE == 0 {
            SLOW.iter().for_each(|refusal| try_it(refusal, &scene));
        }
        eventually("files, inodes and blocks are as before", || ground.stock() == stock);
        progress.add(1);
    }
    let after = Census::take();
    assert_eq!(after.leaked_since(&before), None);
    progress.end(format_args!("; {after}"));
}

/// The attempt is refused for the reason that it is to be refused for, and says so.
fn try_it(refusal: &(&str, Attempt), scene: &Scene) {
    let (name, attempt) = refusal;
    let error = attempt(scene).expect_err(name);
    assert!(format!("{error:?}").starts_with(name), "{name}: {error:?}");
    assert!(!error.to_string().is_empty());
}

fn open<A>(address: A) -> Result<(), OpenError>
where
    A: TryInto<Address>,
    OpenError: From<A::Error>,
{
    spsc::options().size(4096).producer(address).map(drop)
}

/// A ring of 4096 bytes with a message in it, that nobody uses: its file.
fn left(ground: &Ground, name: &str) -> std::path::PathBuf {
    let mut tx = spsc::options().size(4096).producer(name).expect("a ring");
    tx.try_send(b"left").expect("room");
    ground.path(&format!("ringway.{name}"))
}

fn set(ground: &Ground) -> Scene {
    let sound = left(ground, "left");
    patch(&left(ground, "other-version"), at::VERSION, &7_u32.to_ne_bytes());
    patch(&left(ground, "impossible-size"), at::SIZE, &17_u64.to_ne_bytes());
    patch(&left(ground, "impossible-position"), at::PRODUCER_TAIL, &3_u64.to_ne_bytes());
    patch(&left(ground, "other-boot"), BOOT, &[0x5a; 16]);
    let mut tx = mpmc::options().slots(2).producer("other-boot-queue").expect("a ring");
    tx.try_send(b"left").expect("room");
    drop(tx);
    patch(&ground.path("ringway.other-boot-queue"), BOOT, &[0x5a; 16]);
    let truncated = left(ground, "truncated");
    File::options().write(true).open(truncated).and_then(|file| file.set_len(5000)).expect("shorter");
    fs::write(ground.path("ringway.notes"), "# somebody's notes\n".repeat(1000)).expect("a file");
    fs::create_dir(ground.path("ringway.directory")).expect("a directory");
    let open_to_all = spsc::options().size(4096).mode(0o666).persist(true);
    open_to_all.create_ring("open-to-all").expect("a ring");
    spsc::options().size(4096).persist(true).create_ring("locked").expect("a ring");
    let crowded = mpmc::options().slots(2).participants(2);
    Scene {
        _used: spsc::options().size(4096).producer("used").expect("a ring"),
        _crowd: [(); 2].map(|()| crowded.producer("crowded").expect("a place")),
        _met: ["met", "met", "half-met"].map(|name| {
            let side = if name == "met" { duplex::options() } else { duplex::options().side(Side::First) };
            side.size(4096).endpoint(name).expect("a side")
        }),
        unsealed: unsealed(&sound),
    }
}

/// A memfd that holds a sound ring, and could be truncated by anybody.
fn unsealed(ring: &Path) -> File {
    let memfd: File = memfd_create("test", MFdFlags::MFD_ALLOW_SEALING).expect("a memfd").into();
    memfd.write_all_at(&fs::read(ring).expect("its bytes"), 0).expect("room");
    memfd
}

fn limited(_: &Scene) -> Result<(), OpenError> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_FSIZE).expect("a limit");
    setrlimit(Resource::RLIMIT_FSIZE, 10_000, hard).expect("a lower limit");
    let outcome = spsc::options().producer("limited").map(drop);
    setrlimit(Resource::RLIMIT_FSIZE, soft, hard).expect("the old limit");
    outcome
}

/// A ring given to a consumer, whose taker would be a producer.
fn handed_to_the_other(_: &Scene) -> Result<(), OpenError> {
    let (mine, theirs) = UnixStream::pair().expect("sockets");
    let tx = spsc::options().size(4096).lone_producer()?;
    handover::give(&mine, &tx, Role::Consumer).expect("given");
    handover::take(&theirs).expect("taken").producer(&spsc::options()).map(drop)
}

/// Somebody holds the membership lock, as a process would that is stopped in the middle of joining.
fn busy(_: &Scene) -> Result<(), OpenError> {
    let stopped = File::options().read(true).write(true).open("/dev/shm/ringway.locked").expect("the ring");
    let (l_type, l_whence) = (libc::F_WRLCK as i16, libc::SEEK_SET as i16);
    let lock = libc::flock { l_type, l_whence, l_start: 1 << 48, l_len: 1, l_pid: 0 };
    fcntl(&stopped, FcntlArg::F_OFD_SETLK(&lock)).expect("locked");
    open("locked")
}
