//! The cost of waiting: many consumers, each on a ring of its own, to which no message comes.
//!
//! The consumers are the threads of one process, which holds the producers, too. Its CPU time over some seconds is that of all
//! of them together, and so are its voluntary context switches. Beside them: as many threads in `read` on pipes, and for scale
//! one consumer that waits in each other way. At the end every consumer is sent a message, and must receive it: so it did wait.

use std::fs::File;
use std::io::{Read, Write as _};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::pipe;
use ringway::{Wait, spsc};
use serde::{Deserialize, Serialize};

use super::Preset;
use super::crew::{self, Crew, Orders, Work, obey};
use crate::bench::control::Outcome;
use crate::bench::role::Reading;
use crate::bench::table;

/// Bytes of a ring: they matter to nobody who waits.
const RING_BYTES: usize = 4096;

/// The library's default interval.
const DEFAULT: Duration = Duration::from_millis(50);

/// The interval that a patient consumer asks for.
const PATIENT: Duration = Duration::from_secs(1);

/// Descriptors that a ring with both ends takes, or a pipe, at most.
const DESCRIPTORS: u64 = 5;

/// Descriptors that are needed for everything else.
const SPARE: u64 = 64;

/// Bytes of a waiting thread's stack.
const STACK: usize = 256 << 10;

/// From the start of the threads to the start of the clock, at most; and by how much a watch may be too long.
const SETTLE: Duration = Duration::from_millis(200);

/// How often a watch is begun that takes too long.
const ATTEMPTS: u32 = 5;

/// How long the consumers may take to receive what ends their wait.
const PATIENCE: Duration = Duration::from_secs(20);

/// What waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// Consumers that sleep at once.
    Park,
    /// Consumers that spin briefly, then sleep.
    Adaptive,
    /// Consumers that spin.
    Spin,
    /// Threads in `read` on pipes.
    Pipe,
}

impl What {
    /// The name shown in tables.
    pub fn label(self) -> &'static str {
        match self {
            Self::Park => "ring, park",
            Self::Adaptive => "ring, adaptive",
            Self::Spin => "ring, spin",
            Self::Pipe => "read of a pipe",
        }
    }

    /// How a ring's consumer waits; `None`: it is no ring.
    fn wait(self) -> Option<Wait> {
        match self {
            Self::Park => Some(Wait::Park),
            Self::Adaptive => Some(Wait::Adaptive),
            Self::Spin => Some(Wait::Spin),
            Self::Pipe => None,
        }
    }
}

/// What so many waiting consumers cost.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct IdleSample {
    /// What waited.
    pub what: What,
    /// How many of them: as many as were asked for, or as there are descriptors and threads for.
    pub consumers: usize,
    /// How often each looks whether its peer lives, nanoseconds; 0: never.
    pub liveness_ns: u64,
    /// How long they were watched.
    pub seconds: f64,
    /// CPU time of all of them.
    pub cpu_seconds: f64,
    /// Voluntary context switches of all of them: each is a wake-up that found nothing.
    pub wakes: u64,
}

/// What waits, how many, how patiently, and for how long they are watched.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Setup {
    /// What waits.
    what: What,
    /// How many.
    consumers: usize,
    /// The liveness interval.
    liveness: Duration,
    /// How long they are watched.
    watch: Duration,
}

/// Every case of a preset. An interval is watched for some times its length.
fn cases(preset: Preset) -> Vec<Setup> {
    let (many, factor) = match preset {
        Preset::Smoke => (20, 0.05),
        Preset::Quick => (100, 1.0),
        Preset::Full => (1000, 3.0),
    };
    let case = |what, consumers, liveness: Duration, watch: f64| Setup {
        what,
        consumers,
        liveness,
        watch: Duration::from_secs_f64(watch * factor),
    };
    vec![
        case(What::Park, many, PATIENT, 2.0),
        case(What::Park, many, DEFAULT, 1.0),
        case(What::Pipe, many, Duration::ZERO, 0.5),
        case(What::Adaptive, 1, DEFAULT, 1.0),
        case(What::Spin, 1, DEFAULT, 0.2),
    ]
}

/// Takes a sample of each case.
pub fn run(preset: Preset, with: &mut dyn FnMut(IdleSample) -> Result<()>) -> Result<()> {
    for case in cases(preset) {
        let mut crew = Crew::start(&[crew::Setup::Idle(case)])?;
        let samples: Vec<IdleSample> = crew
            .run(&())
            .with_context(|| format!("sample failed: {} x {}", case.consumers, case.what.label()))?;
        samples.into_iter().try_for_each(&mut *with)?;
    }
    Ok(())
}

/// The process of those who wait, until its orders end.
pub fn serve(setup: &Setup, orders: Orders) -> Result<()> {
    obey(&mut Waiters(*setup), orders)
}

/// The process of those who wait.
struct Waiters(Setup);

impl Work for Waiters {
    type Job = ();
    type Outcome = IdleSample;

    fn probe(&mut self) -> Result<f64> {
        bail!("there is no distance to measure")
    }

    fn run(&mut self, (): ()) -> Result<IdleSample> {
        let consumers = self.0.consumers.min(most(raise_limit()?));
        let setup = Setup { consumers, ..self.0 };
        match setup.what.wait() {
            Some(wait) => watch(setup, |_| ring(wait, setup.liveness)),
            None => watch(setup, |_| pipe_ends()),
        }
    }
}

/// What ends the wait of one consumer, and what that consumer does.
type Ends<W> = (Box<dyn FnMut() -> Result<()>>, W);

/// A ring and a consumer that waits for its message.
fn ring(wait: Wait, liveness: Duration) -> Result<Ends<impl FnOnce() -> Result<()> + Send + 'static>> {
    let options = spsc::options().size(RING_BYTES).wait(wait).liveness(liveness);
    let (mut producer, mut consumer) = options.pair().context("cannot make a ring")?;
    let receive = move || -> Result<()> {
        ensure!(consumer.recv()?[..] == END, "the wrong message ended a wait");
        Ok(())
    };
    Ok((Box::new(move || Ok(producer.send(&END)?)), receive))
}

/// A pipe and a reader that waits for its message.
fn pipe_ends() -> Result<Ends<impl FnOnce() -> Result<()> + Send + 'static>> {
    let (read, write) = pipe().context("cannot create a pipe")?;
    let [mut read, mut write] = [read, write].map(File::from);
    let receive = move || -> Result<()> {
        let mut message = [0; END.len()];
        read.read_exact(&mut message).context("cannot read")?;
        ensure!(message == END, "the wrong message ended a wait");
        Ok(())
    };
    Ok((Box::new(move || write.write_all(&END).context("cannot write")), receive))
}

/// The message that ends a wait.
const END: [u8; 8] = *b"wait end";

/// Starts the threads, watches them, ends their waits, and checks that each of them did wait.
fn watch<W>(setup: Setup, ends: impl Fn(usize) -> Result<Ends<W>>) -> Result<IdleSample>
where
    W: FnOnce() -> Result<()> + Send + 'static,
{
    let (tell, told) = mpsc::channel();
    let mut enders = Vec::new();
    for nth in 0..setup.consumers {
        let (ender, wait) = ends(nth)?;
        let tell = tell.clone();
        match thread::Builder::new().stack_size(STACK).spawn(move || be_patient(wait, &tell)) {
            Ok(_) => enders.push(ender),
            // So many threads and no more: those are watched.
            Err(error) if nth == 0 => return Err(error).context("cannot start a thread"),
            Err(_) => break,
        }
    }
    hear(&told, enders.len(), Said::Begins)?;
    thread::sleep(SETTLE.min(setup.watch));
    let used = watched(setup.watch)?;
    still_waiting(&told)?;
    enders.iter_mut().try_for_each(|end| end())?;
    hear(&told, enders.len(), Said::Ended)?;
    Ok(IdleSample {
        what: setup.what,
        consumers: enders.len(),
        liveness_ns: setup.liveness.as_nanos() as u64,
        seconds: (used.end - used.start) as f64 / 1e9,
        cpu_seconds: used.cpu as f64 / 1e9,
        // The watcher's own sleep is one.
        wakes: used.slept.saturating_sub(1),
    })
}

/// What this process uses in a time. A machine that stands still meanwhile, as a virtual one may, makes it look cheap: then
/// once more, up to a limit.
fn watched(time: Duration) -> Result<Outcome> {
    let mut attempt = 1;
    loop {
        let reading = Reading::begin()?;
        thread::sleep(time);
        let used = reading.end()?;
        if used.end - used.start <= (time + SETTLE).as_nanos() as u64 || attempt == ATTEMPTS {
            return Ok(used);
        }
        attempt += 1;
    }
}

/// What a consumer says.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Said {
    /// It is about to wait.
    Begins,
    /// Its message came.
    Ended,
    /// It did not.
    Failed(String),
}

/// One consumer's thread.
fn be_patient(wait: impl FnOnce() -> Result<()>, tell: &Sender<Said>) {
    // Nobody listens any more only when the study has failed.
    let _ = tell.send(Said::Begins);
    let _ = tell.send(wait().map_or_else(|error| Said::Failed(format!("{error:#}")), |()| Said::Ended));
}

/// Nobody may have said anything while they were watched.
fn still_waiting(told: &Receiver<Said>) -> Result<()> {
    match told.try_recv() {
        Ok(said) => bail!("a wait has ended by itself: {said:?}"),
        Err(_) => Ok(()),
    }
}

/// Hears the same from so many consumers.
fn hear(told: &Receiver<Said>, consumers: usize, expected: Said) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    for _ in 0..consumers {
        let said = told.recv_timeout(deadline.saturating_duration_since(Instant::now()));
        let said = said.context("a consumer says nothing")?;
        ensure!(said == expected, "a consumer says {said:?}, not {expected:?}");
    }
    Ok(())
}

/// Raises the limit of open descriptors as far as is allowed: the limit then.
fn raise_limit() -> Result<u64> {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).context("cannot read the limit of open files")?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most).context("cannot raise the limit of open files")?;
    Ok(most)
}

/// For how many consumers `limit` descriptors are enough.
fn most(limit: u64) -> usize {
    (limit.saturating_sub(SPARE) / DESCRIPTORS).max(1) as usize
}

/// The samples as a table.
pub fn table(samples: &[IdleSample]) -> String {
    let header = ["", "consumers", "liveness", "% of a core", "wake-ups/s", "each, µs/s", "watched"];
    let mut table = table::table(header.map(str::to_owned).to_vec());
    for sample in samples {
        let liveness = match sample.liveness_ns {
            0 => "none".to_owned(),
            interval => humantime::format_duration(Duration::from_nanos(interval)).to_string(),
        };
        let share = sample.cpu_seconds / sample.seconds;
        table.add_row([
            sample.what.label().to_owned(),
            sample.consumers.to_string(),
            liveness,
            format!("{:.3}", share * 100.0),
            format!("{:.1}", sample.wakes as f64 / sample.seconds),
            table::short(share * 1e6 / sample.consumers.max(1) as f64),
            format!("{:.1} s", sample.seconds),
        ]);
    }
    format!("\n== idle: consumers that wait, threads of one process\nCPU time of all of them\n{table}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors_bound_the_consumers() {
        assert_eq!([most(64), most(1024), most(20_000)], [1, 192, 3987]);
    }

    #[test]
    fn a_ring_and_its_ends_take_no_more_descriptors_than_said() {
        let open = || std::fs::read_dir("/proc/self/fd").unwrap().count() as u64;
        // Other tests open and close some meanwhile; that many rings outweigh them.
        let before = open();
        let rings: Vec<_> = (0..200).map(|_| ring(Wait::Park, PATIENT).unwrap()).collect();
        assert!(open() <= before + (DESCRIPTORS + 1) * rings.len() as u64);
    }

    #[test]
    fn whoever_waits_is_watched_and_ends() {
        let setup =
            Setup { what: What::Park, consumers: 3, liveness: DEFAULT, watch: Duration::from_millis(10) };
        let sample = watch(setup, |_| ring(Wait::Park, DEFAULT)).unwrap();
        assert!(sample.consumers == 3 && sample.seconds >= 0.01 && sample.liveness_ns == 50_000_000);
        assert!(watch(setup, |_| pipe_ends()).is_ok());
    }

    /// Of a consumer that does not wait.
    type Failing = Ends<fn() -> Result<()>>;

    #[test]
    fn a_wait_that_ends_by_itself_spoils_the_sample() {
        let (tell, told) = mpsc::channel();
        assert!(still_waiting(&told).is_ok());
        tell.send(Said::Ended).unwrap();
        assert!(still_waiting(&told).is_err());
        let setup = Setup { what: What::Pipe, consumers: 1, liveness: Duration::ZERO, watch: Duration::ZERO };
        let failing = |_| -> Result<Failing> { Ok((Box::new(|| Ok(())), || bail!("no"))) };
        assert!(watch(setup, failing).is_err());
    }

    #[test]
    fn the_table_gives_shares_of_a_core() {
        let sample = IdleSample {
            what: What::Park,
            consumers: 1000,
            liveness_ns: 1_000_000_000,
            seconds: 2.0,
            cpu_seconds: 0.018,
            wakes: 2000,
        };
        let text = table(&[sample]);
        for figure in ["0.900", "1000.0", "9.00", "1s"] {
            assert!(text.contains(figure), "{figure}: {text}");
        }
    }
}
