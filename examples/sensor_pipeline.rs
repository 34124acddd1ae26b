//! A camera and an inertial measurement unit (IMU), each a process of its own, and a processor that reads both.
//!
//! In three terminals, in any order: `sensor_pipeline camera`, `sensor_pipeline imu`, `sensor_pipeline processor`.
//! Without arguments it is all three, for a second.
//!
//! What it shows: a 600 KiB frame is filled in the ring and read in the ring, never copied. A sensor never
//! blocks: when the ring is full it drops the sample and counts it, and the processor sees the gap in the sequence.
//! Sensors end by saying goodbye; the processor ends when it has received everything they sent.

use std::error::Error;
use std::fmt;
use std::process::Command;
use std::thread;
use std::time::Duration;

use hdrhistogram::Histogram;
use nix::time::{ClockId, ClockNanosleepFlags, clock_gettime, clock_nanosleep};
use ringway::spsc::{self, TypedOptions};
use ringway::{RecvError, SendError, Shape};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

type Outcome<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

/// How long the processor waits for a sample before it gives a sensor up.
const PATIENCE: Duration = Duration::from_secs(10);

/// What every sample begins with.
#[derive(Shape, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Stamp {
    /// Counts samples taken, sent or not: a gap is a loss.
    sequence: u64,
    /// When the sample was complete: nanoseconds on the monotonic clock, which all processes share.
    taken: u64,
}

const ROWS: usize = 480;
const ROW_BYTES: usize = 640 * 2;

/// A picture of 640 × 480 pixels of two bytes.
#[derive(Shape, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Frame {
    stamp: Stamp,
    rows: [[u8; ROW_BYTES]; ROWS],
}

/// One reading of the inertial measurement unit.
#[derive(Shape, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Imu {
    stamp: Stamp,
    /// Metres per second squared.
    acceleration: [f64; 3],
    /// Radians per second.
    turn_rate: [f64; 3],
}

/// A message of a sensor.
trait Sample: Shape + FromBytes + IntoBytes + Immutable + KnownLayout {
    /// The sensor's name, and the end of its ring's.
    const SENSOR: &'static str;
    /// Samples per second.
    const RATE: u64;
    /// Bytes of the ring: how far the processor may fall behind.
    const RING: usize;
    /// Takes sample number `sequence`, in place.
    fn take(&mut self, sequence: u64);
    /// The sample's stamp, to be set.
    fn stamp(&mut self) -> &mut Stamp;
    /// The stamp, if the contents are those of the sample with its number.
    fn check(&self) -> Option<&Stamp>;
}

impl Sample for Frame {
    const SENSOR: &'static str = "camera";
    const RATE: u64 = 200;
    /// 13 frames.
    const RING: usize = 8 << 20;

    fn take(&mut self, sequence: u64) {
        for (row, pixels) in (sequence..).zip(&mut self.rows) {
            pixels.fill(row as u8);
        }
    }

    fn stamp(&mut self) -> &mut Stamp {
        &mut self.stamp
    }

    /// Looks at two bytes of each row: its last, and one on a diagonal.
    fn check(&self) -> Option<&Stamp> {
        let mut rows = (self.stamp.sequence..).zip(&self.rows).enumerate();
        rows.all(|(column, (row, pixels))| pixels[column] == row as u8 && pixels[ROW_BYTES - 1] == row as u8)
            .then_some(&self.stamp)
    }
}

impl Sample for Imu {
    const SENSOR: &'static str = "imu";
    const RATE: u64 = 1000;
    /// A second's worth.
    const RING: usize = 64 << 10;

    fn take(&mut self, sequence: u64) {
        let (sine, cosine) = (sequence as f64 / 100.0).sin_cos();
        self.acceleration = [9.81 * cosine, 9.81 * sine, 0.0];
        self.turn_rate = [0.0, 0.0, sequence as f64];
    }

    fn stamp(&mut self) -> &mut Stamp {
        &mut self.stamp
    }

    /// Gravity is what it is, in whatever direction.
    fn check(&self) -> Option<&Stamp> {
        let [x, y, z] = self.acceleration;
        let gravity = (x * x + y * y + z * z).sqrt();
        ((gravity - 9.81).abs() < 1e-9 && self.turn_rate[2] == self.stamp.sequence as f64)
            .then_some(&self.stamp)
    }
}

fn main() -> Outcome {
    let mut arguments = std::env::args().skip(1);
    let role = arguments.next();
    let name = arguments.next().unwrap_or_else(|| "sensors".to_owned());
    let seconds = arguments.next().map_or(Ok(10), |seconds| seconds.parse())?;
    match role.as_deref() {
        Some("camera") => sense::<Frame>(&name, seconds),
        Some("imu") => sense::<Imu>(&name, seconds),
        Some("processor") => process(&name),
        Some(other) => {
            Err(format!("{other:?} is no role: give `camera`, `imu` or `processor`, or nothing").into())
        }
        None => all(&format!("sensor_pipeline-{}", std::process::id())),
    }
}

/// Starts the sensors and is the processor.
fn all(name: &str) -> Outcome {
    let start = |role| Command::new(std::env::current_exe()?).args([role, name, "1"]).spawn();
    let sensors = [start(Frame::SENSOR)?, start(Imu::SENSOR)?];
    process(name)?;
    for mut sensor in sensors {
        let end = sensor.wait()?;
        if !end.success() {
            return Err(format!("a sensor failed: {end}").into());
        }
    }
    Ok(())
}

/// Both sides ask for the same ring, since either may be the one to create it.
fn ring<T: Sample>() -> TypedOptions<T> {
    spsc::options().size(T::RING).typed()
}

fn now() -> Outcome<Duration> {
    Ok(clock_gettime(ClockId::CLOCK_MONOTONIC)?.into())
}

/// Takes samples at a fixed rate and never blocks.
fn sense<T: Sample>(name: &str, seconds: u64) -> Outcome {
    let mut tx = ring::<T>().producer(format!("{name}.{}", T::SENSOR))?;
    let (period, samples) = (Duration::from_secs(1) / T::RATE as u32, seconds * T::RATE);
    let mut due = now()?;
    let mut dropped = 0;
    for sequence in 0..samples {
        match tx.try_claim() {
            Ok(mut sample) => {
                sample.take(sequence);
                *sample.stamp() = Stamp { sequence, taken: now()?.as_nanos() as u64 };
                sample.commit()?;
            }
            Err(SendError::Full { .. }) => dropped += 1,
            Err(error) => return Err(error.into()),
        }
        due += period;
        clock_nanosleep(ClockId::CLOCK_MONOTONIC, ClockNanosleepFlags::TIMER_ABSTIME, &due.into())?;
    }
    println!("{:<10}took {samples} samples at {} Hz, dropped {dropped}", T::SENSOR, T::RATE);
    Ok(())
}

/// Follows each sensor in a thread of its own.
fn process(name: &str) -> Outcome {
    let (camera, imu) = thread::scope(|scope| {
        let imu = scope.spawn(|| follow::<Imu>(name));
        (follow::<Frame>(name), imu.join())
    });
    println!("{}", camera?);
    println!("{}", imu.map_err(|_| "the thread that followed the imu panicked")??);
    Ok(())
}

/// What was received of one sensor.
struct Report {
    sensor: &'static str,
    lost: u64,
    /// Nanoseconds from complete sample to the processor's eyes.
    latency: Histogram<u64>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = |quantile| self.latency.value_at_quantile(quantile) as f64 / 1e3;
        let (received, lost) = (self.latency.len(), self.lost);
        write!(f, "processor {}: received {received} samples, all right, lost {lost}; ", self.sensor)?;
        write!(f, "latency p50 {:.1}, p99 {:.1}, max {:.1} µs", micros(0.5), micros(0.99), micros(1.0))
    }
}

/// Reads a sensor's samples, in place, until it says goodbye.
fn follow<T: Sample>(name: &str) -> Outcome<Report> {
    let mut rx = ring::<T>().consumer(format!("{name}.{}", T::SENSOR))?;
    let mut report = Report { sensor: T::SENSOR, lost: 0, latency: Histogram::new(3)? };
    let mut next = 0;
    loop {
        let sample = match rx.recv_timeout(PATIENCE) {
            Ok(sample) => sample,
            Err(RecvError::Closed) if next > 0 => return Ok(report),
            Err(error) => return Err(format!("{}: {error}", T::SENSOR).into()),
        };
        let seen = now()?.as_nanos() as u64;
        let stamp = sample.check().ok_or("a sample whose contents are not those of its number")?;
        let gap = stamp.sequence.checked_sub(next).ok_or("a sample came twice")?;
        report.lost += gap;
        report.latency.record(seen.saturating_sub(stamp.taken))?;
        next = stamp.sequence + 1;
    }
}
