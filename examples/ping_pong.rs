//! Two processes, two rings: how long a question and its answer take, for each way to wait.
//!
//! In two terminals, in either order: `ping_pong ping` and `ping_pong pong`. Without arguments it is both.
//!
//! A blocked side can spin (the shortest latency, at the price of a core), park in the kernel (no processor time,
//! at the price of a wake-up) or adapt: spin for a while, then park. Both sides must agree for a fair figure, so
//! each question carries the mode in its tag.

use std::error::Error;
use std::process::Command;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use ringway::{RecvError, Wait, spsc};

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

const MODES: [Wait; 3] = [Wait::Spin, Wait::Adaptive, Wait::Park];
/// Round trips per mode, and the time after which fewer will do.
const ROUNDS: u64 = 50_000;
const BUDGET: Duration = Duration::from_millis(500);
/// First rounds of a mode, which are checked and not counted.
const WARM_UP: u64 = 50;
/// How long to wait for the other side before giving it up.
const PATIENCE: Duration = Duration::from_secs(10);

fn main() -> Outcome {
    let mut arguments = std::env::args().skip(1);
    let (role, name) = (arguments.next(), arguments.next());
    let name = name.unwrap_or_else(|| "ping_pong".to_owned());
    match role.as_deref() {
        Some("ping") => ping(&name),
        Some("pong") => pong(&name),
        Some(other) => Err(format!("{other:?} is no role: give `ping` or `pong`, or nothing").into()),
        None => both(&format!("ping_pong-{}", std::process::id())),
    }
}

fn both(name: &str) -> Outcome {
    let mut peer = Command::new(std::env::current_exe()?).args(["pong", name]).spawn()?;
    ping(name)?;
    let end = peer.wait()?;
    if end.success() { Ok(()) } else { Err(format!("pong failed: {end}").into()) }
}

/// What pong makes of a question.
fn answer_to(question: u64) -> u64 {
    question.wrapping_add(1).rotate_left(7)
}

fn number(message: &[u8]) -> Outcome<u64> {
    Ok(u64::from_le_bytes(message.try_into()?))
}

/// Asks and measures. Dropping the handles at the end says goodbye, which ends pong.
fn ping(name: &str) -> Outcome {
    let mut questions = spsc::producer(format!("{name}.ping"))?;
    let mut answers = spsc::consumer(format!("{name}.pong"))?;
    println!("{:<9}{:>8}{:>10}{:>10}{:>10}  µs per round trip", "wait", "rounds", "p50", "p99", "max");
    for (tag, mode) in MODES.into_iter().enumerate() {
        questions.set_wait(mode);
        answers.set_wait(mode);
        let times = measure(&mut questions, &mut answers, tag.try_into()?)?;
        let micros = |ns: u64| ns as f64 / 1e3;
        let (p50, p99) = (micros(times.value_at_quantile(0.5)), micros(times.value_at_quantile(0.99)));
        let (mode, rounds, max) = (format!("{mode:?}"), times.len(), micros(times.max()));
        println!("{mode:<9}{rounds:>8}{p50:>10.2}{p99:>10.2}{max:>10.2}");
    }
    Ok(())
}

/// Nanoseconds of each round trip in the mode that `tag` stands for.
fn measure(
    questions: &mut spsc::Producer,
    answers: &mut spsc::Consumer,
    tag: u16,
) -> Outcome<Histogram<u64>> {
    let mut times = Histogram::new(3)?;
    let started = Instant::now();
    for question in 0..WARM_UP + ROUNDS {
        let asked = Instant::now();
        questions.send_tagged(tag, &question.to_le_bytes())?;
        let answer = number(&answers.recv_timeout(PATIENCE)?)?;
        if answer != answer_to(question) {
            return Err(format!("{answer} is no answer to {question}").into());
        }
        if question >= WARM_UP {
            times.record(asked.elapsed().as_nanos() as u64)?;
            if started.elapsed() >= BUDGET {
                break;
            }
        }
    }
    Ok(times)
}

/// Answers until ping says goodbye.
fn pong(name: &str) -> Outcome {
    let mut questions = spsc::consumer(format!("{name}.ping"))?;
    let mut answers = spsc::producer(format!("{name}.pong"))?;
    loop {
        let (tag, question) = match questions.recv() {
            Ok(message) => (message.tag(), number(&message)?),
            Err(RecvError::Closed) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        answers.send(&answer_to(question).to_le_bytes())?;
        let mode = MODES.get(usize::from(tag)).ok_or("a question with an unknown tag")?;
        questions.set_wait(*mode);
        answers.set_wait(*mode);
    }
}
