//! One thread follows several sensors, each of them a process with a ring of its own, and sleeps while none has sent.
//!
//! In four terminals, in any order: `many_rings brakes`, `many_rings wheels`, `many_rings cabin`, and `many_rings fair` or
//! `many_rings priority`. Without arguments it is all of them, in one order and then in the other.
//!
//! Each sensor begins with a few readings at once, so that there is a choice: in fair order the rings take turns; in order of
//! priority whatever the brakes have sent comes before anything else.

use std::error::Error;
use std::process::Command;
use std::thread;
use std::time::Duration;

use ringway::spsc::{self, Consumer};
use ringway::{RecvError, Select, Source};

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// The sensors, the most important one first, and how long after one another each of them sends.
const SENSORS: [(&str, Duration); 3] = [
    ("brakes", Duration::from_millis(1)),
    ("wheels", Duration::from_millis(2)),
    ("cabin", Duration::from_millis(5)),
];
/// Readings of each sensor that come at once, and that come after them.
const AT_ONCE: u64 = 4;
const READINGS: u64 = 50;
/// How long to wait for a sensor before giving it up.
const PATIENCE: Duration = Duration::from_secs(20);

fn main() -> Outcome {
    let mut arguments = std::env::args().skip(1);
    let (role, name) = (arguments.next(), arguments.next());
    let name = name.unwrap_or_else(|| "many_rings".to_owned());
    match role.as_deref() {
        Some("fair") => follow(&name, "fair", Select::fair()),
        Some("priority") => follow(&name, "priority", Select::priority()),
        Some(sensor) => sense(&name, sensor),
        None => {
            let name = format!("many_rings-{}", std::process::id());
            all(&name, "fair", Select::fair())?;
            all(&name, "priority", Select::priority())
        }
    }
}

/// Starts the sensors and follows them.
fn all(name: &str, order: &str, select: Select) -> Outcome {
    let start = |sensor| Command::new(std::env::current_exe()?).args([sensor, name]).spawn();
    let sensors = [start(SENSORS[0].0)?, start(SENSORS[1].0)?, start(SENSORS[2].0)?];
    follow(name, order, select)?;
    for mut sensor in sensors {
        let end = sensor.wait()?;
        if !end.success() {
            return Err(format!("a sensor failed: {end}").into());
        }
    }
    Ok(())
}

/// Sends readings, the first ones together. Dropping the producer says goodbye.
fn sense(name: &str, sensor: &str) -> Outcome {
    let known = SENSORS.into_iter().find(|(known, _)| *known == sensor);
    let (_, period) =
        known.ok_or_else(|| format!("{sensor:?} is no role: give a sensor or an order, or nothing"))?;
    let mut tx = spsc::producer(format!("{name}.{sensor}"))?;
    let mut batch = tx.batch()?;
    (0..AT_ONCE).try_for_each(|reading| batch.push(&reading.to_le_bytes()))?;
    batch.commit()?;
    for reading in AT_ONCE..AT_ONCE + READINGS {
        thread::sleep(period);
        tx.send(&reading.to_le_bytes())?;
    }
    Ok(())
}

/// A sensor's ring, and how many readings have come.
struct Ring {
    sensor: &'static str,
    rx: Consumer,
    received: u64,
}

impl Ring {
    /// The ring of a sensor that has begun to send.
    fn open(name: &str, sensor: &'static str) -> Outcome<Ring> {
        let mut rx = spsc::consumer(format!("{name}.{sensor}"))?;
        rx.wait_for_message(Some(PATIENCE))?;
        Ok(Ring { sensor, rx, received: 0 })
    }

    /// Receives a reading. `false`: there will be no more.
    fn receive(&mut self) -> Outcome<bool> {
        match self.rx.try_recv() {
            Ok(reading) if reading[..] == self.received.to_le_bytes() => self.received += 1,
            Ok(reading) => return Err(format!("{}: {:?} is out of order", self.sensor, &reading[..]).into()),
            Err(RecvError::Closed) => return Ok(false),
            Err(error) => return Err(format!("{}: {error}", self.sensor).into()),
        }
        Ok(true)
    }
}

/// Receives from all sensors, in the order that `select` gives, until they have said goodbye.
fn follow(name: &str, order: &str, mut select: Select) -> Outcome {
    let mut rings =
        SENSORS.map(|(sensor, _)| Ring::open(name, sensor)).into_iter().collect::<Outcome<Vec<_>>>()?;
    let (mut readings, mut first) = (0, Vec::new());
    while !rings.is_empty() {
        let mut sources: Vec<&mut dyn Source> =
            rings.iter_mut().map(|ring| &mut ring.rx as &mut dyn Source).collect();
        let ready = select.wait_timeout(&mut sources, PATIENCE).ok_or("no sensor has sent for too long")?;
        let ring = &mut rings[ready];
        if ring.receive()? {
            first.push(ring.sensor);
            continue;
        }
        readings += ring.received;
        rings.remove(ready);
    }
    first.truncate(AT_ONCE as usize * SENSORS.len());
    println!("{order}: {}", first.join(" "));
    println!("{order}: received {readings} readings, each sensor's in order");
    Ok(())
}
