//! Tasks of tokio that await rings: sensors are processes, one ring each; one thread receives from all of them.
//!
//! `tokio_consumer [sensors samples]`, with the feature `tokio`; without arguments: four, and a thousand each. A sensor that is
//! killed ends its task, and no other.

use std::error::Error;
use std::process::{Child, Command};
use std::time::Duration;
use std::{env, process};

use ringway::spsc::{self, Consumer};
use ringway::task::Async;
use ringway::{Peer, RecvError};
use tokio::task::JoinSet;
use tokio::time::timeout;

type Outcome<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

/// How long to wait for a sensor's next sample before giving it up.
const PATIENCE: Duration = Duration::from_secs(30);
/// What a sensor sends when it can go no further by itself.
const STUCK: u16 = 1;

fn main() -> Outcome {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match &arguments[..] {
        [role, name, samples] if role == "sense" => sense(name, samples.parse()?),
        [sensors, samples] => collect(sensors.parse()?, samples),
        _ => collect(4, "1000"),
    }
}

/// Sends numbered samples, and says goodbye.
fn sense(name: &str, samples: u64) -> Outcome {
    let mut tx = spsc::producer(name)?;
    for number in 0..samples {
        tx.send(&number.to_le_bytes())?;
    }
    if name.ends_with(".0") {
        tx.send_tagged(STUCK, b"")?;
        while tx.peer() == Peer::Attached {
            std::thread::park();
        }
    }
    Ok(())
}

/// Starts the sensors, and a task for each.
#[tokio::main(flavor = "current_thread")]
async fn collect(sensors: usize, samples: &str) -> Outcome {
    let mut tasks = JoinSet::new();
    for number in 0..sensors {
        let name = format!("tokio_consumer-{}.{number}", process::id());
        let rx = Async::on_tokio(spsc::consumer(&name)?.pollable()?)?;
        let sensor = Command::new(env::current_exe()?).args(["sense", &name, samples]).spawn()?;
        tasks.spawn(async move { (number, receive(rx, sensor).await) });
    }
    while let Some(ended) = tasks.join_next().await {
        let (number, received) = ended?;
        let (samples, end) = received?;
        println!("sensor {number}: received {samples} samples, then: {end}");
    }
    Ok(())
}

/// Receives until the sensor's ring ends; how many samples, and why no more.
async fn receive(mut rx: Async<Consumer>, mut sensor: Child) -> Outcome<(u64, RecvError)> {
    let mut samples = 0;
    let end = loop {
        match timeout(PATIENCE, rx.recv()).await? {
            Ok(message) if message.tag() == STUCK => sensor.kill()?,
            Ok(message) if message[..] == u64::to_le_bytes(samples) => samples += 1,
            Ok(message) => return Err(format!("{message:?} is not sample {samples}").into()),
            Err(end) => break end,
        }
    };
    sensor.wait()?;
    Ok((samples, end))
}
