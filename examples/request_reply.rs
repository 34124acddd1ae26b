//! A client asks a server in another process: an answer for each question, one that comes too late, and a server that is
//! killed and replaced.
//!
//! Without arguments it is the client, and starts its servers. It checks every answer.

use std::error::Error;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use ringway::duplex::{self, Endpoint, Side};
use ringway::{RecvError, RequestError, ServeError};

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

const QUESTIONS: u64 = 10_000;
/// How long to wait for an answer that must come.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the server is asked to do with the rest of the question.
mod verb {
    /// Add up numbers.
    pub const SUM: u16 = 1;
    /// Take a long time.
    pub const DAWDLE: u16 = 2;
    /// Never answer.
    pub const BROOD: u16 = 3;
}

fn main() -> Outcome {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => client(&format!("request_reply-{}", std::process::id())),
        ["server", name] => server(name),
        _ => Err("give nothing: the client starts its servers itself".into()),
    }
}

fn client(name: &str) -> Outcome {
    let mut endpoint = duplex::options().side(Side::First).endpoint(name)?;
    let mut server = start_server(name)?;

    let started = Instant::now();
    for number in 0..QUESTIONS {
        check_sum(&mut endpoint, number)?;
    }
    println!("{QUESTIONS} questions answered, {:?} each", started.elapsed() / QUESTIONS as u32);

    // The answer to this one comes when nobody waits for it any more.
    match endpoint.request_tagged(verb::DAWDLE, b"", Duration::from_millis(20)).map(|reply| reply.len()) {
        Err(RequestError::TimedOut { sent: true }) => {}
        other => return Err(format!("a slow answer came in time: {other:?}").into()),
    }
    check_sum(&mut endpoint, 7)?;
    println!("a late answer was dropped: {}", endpoint.late_replies());

    // The server is killed while it has a question in hand.
    let death = thread::scope(|scope| -> Outcome<_> {
        let asking =
            scope.spawn(|| endpoint.request_tagged(verb::BROOD, b"", PATIENCE).map(|reply| reply.len()));
        wait_for(&mut server, "broods")?;
        server.kill()?;
        server.wait()?;
        Ok(asking.join().map_err(|_| "the client panicked")?)
    })?;
    if death != Err(RequestError::PeerDead { sent: true }) {
        return Err(format!("the death was not told: {death:?}").into());
    }
    println!("the server was killed: {:?}", endpoint.peer());

    // Another takes its place, and finds that question again.
    let mut server = start_server(name)?;
    check_sum(&mut endpoint, 8)?;
    println!("another server answers");
    endpoint.close();
    let end = server.wait()?;
    if end.success() { Ok(()) } else { Err(format!("the server failed: {end}").into()) }
}

/// Asks for the sum of the numbers up to `last`.
fn check_sum(endpoint: &mut Endpoint, last: u64) -> Outcome {
    let numbers: Vec<u8> = (0..=last % 100).flat_map(u64::to_le_bytes).collect();
    let reply = endpoint.request_tagged(verb::SUM, &numbers, PATIENCE)?;
    let (sum, expected) = (u64::from_le_bytes(reply[..].try_into()?), (0..=last % 100).sum::<u64>());
    if sum == expected { Ok(()) } else { Err(format!("{sum} is not {expected}").into()) }
}

fn start_server(name: &str) -> Outcome<Child> {
    let mut command = Command::new(std::env::current_exe()?);
    let mut server = command.args(["server", name]).stdout(Stdio::piped()).spawn()?;
    wait_for(&mut server, "serves")?;
    Ok(server)
}

/// Waits for the line in which the server says what it does.
fn wait_for(server: &mut Child, word: &str) -> Outcome {
    let output = server.stdout.as_mut().ok_or("the server's output is piped")?;
    let mut line = String::new();
    // It says one line at a time, so nothing is lost with the buffer.
    BufReader::new(output).read_line(&mut line)?;
    if line.trim_end() == word { Ok(()) } else { Err(format!("the server said {line:?}").into()) }
}

fn server(name: &str) -> Outcome {
    let mut endpoint = duplex::options().side(Side::Second).create(false).endpoint(name)?;
    println!("serves");
    loop {
        let request = match endpoint.next_request(None) {
            Ok(request) => request,
            Err(ServeError::Recv(RecvError::Closed)) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        match request.tag() {
            verb::SUM => {
                let (numbers, _) = request.as_chunks::<8>();
                let sum: u64 = numbers.iter().map(|number| u64::from_le_bytes(*number)).sum();
                request.reply(&sum.to_le_bytes())?;
            }
            verb::DAWDLE => {
                thread::sleep(Duration::from_millis(300));
                request.reply(b"")?;
            }
            // An earlier server was killed over this question; nobody waits for an answer.
            verb::BROOD if request.redelivered() => drop(request),
            verb::BROOD => {
                println!("broods");
                loop {
                    thread::park();
                }
            }
            other => return Err(format!("nobody asks for {other}").into()),
        }
    }
}
