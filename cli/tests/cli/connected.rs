//! Streams over connections, and bridges between addresses.

use std::os::fd::AsFd;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use nix::fcntl::{FcntlArg, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tempfile::TempDir;

use crate::common::{Name, Running, assert_exit, assert_says, holding, numbered_lines, ringway, text, until};

/// Addresses of one test, of every kind that has a place.
struct Places {
    name: Name,
    directory: TempDir,
}

impl Places {
    fn new(test: &str) -> Places {
        Places { name: Name::new(test), directory: tempfile::tempdir().expect("a directory") }
    }

    fn at(&self, scheme: &str) -> String {
        match scheme {
            "shm" => self.name.address(),
            "auto" => self.name.address().replacen("shm", "auto", 1),
            scheme => format!("{scheme}:{}", self.directory.path().join(scheme).display()),
        }
    }
}

/// The program with a limit to its patience.
fn patient(arguments: &[&str]) -> Command {
    let mut command = ringway(arguments);
    command.args(["--timeout", "30s"]);
    command
}

#[test]
fn streams_arrive_unchanged_over_every_transport_in_every_framing() {
    let places = Places::new("over");
    let lines = numbered_lines(3000);
    for scheme in ["shm", "file", "fifo", "unix", "auto"] {
        for framing in [&["--chunk", "1000"][..], &["--lines"], &[]] {
            let at = places.at(scheme);
            let receiver = Running::start(patient(&["recv", &at]).args(framing));
            let sender = Running::start(patient(&["send", &at]).args(framing).stdin(holding(&lines)));
            let received = receiver.finish();
            assert_exit(&received, 0);
            assert!(received.stdout == lines, "{at} {framing:?}: {} bytes", received.stdout.len());
            assert_exit(&sender.finish(), 0);
        }
    }
}

/// The receiver takes nothing for longer than a goodbye waits for room, unless told otherwise, while the pipe is full to its last
/// byte: the goodbye is said all the same, and the receiver knows that it has everything.
#[test]
fn a_receiver_that_pauses_for_long_gets_everything_and_the_goodbye() {
    const FRAME: usize = 4096;
    const WORD: usize = 8;
    let (reader, writer) = std::io::pipe().expect("a pipe");
    // As many as the sender asks for. Whoever is not allowed that many has fewer, and so has the sender.
    let _ = fcntl(&writer, FcntlArg::F_SETPIPE_SZ(256 << 10));
    let capacity = fcntl(&writer, FcntlArg::F_GETPIPE_SZ).expect("its size") as usize;
    // The stream's first word, frames, and one that is shorter by that word.
    let lines = numbered_lines(capacity)[..capacity / FRAME * (FRAME - WORD) - WORD].to_vec();
    let chunk = (FRAME - WORD).to_string();
    let full = writer.try_clone().expect("a descriptor");
    let mut send = ringway(&["send", "stdio:", "--quiet", "--chunk", &chunk]);
    let mut sender = Running::start(send.stdin(holding(&lines)).stdout(writer));
    drop(send);
    until("the pipe is full", || {
        let mut fds = [PollFd::new(full.as_fd(), PollFlags::POLLOUT)];
        poll(&mut fds, PollTimeout::ZERO) == Ok(0)
    });
    drop(full);
    sleep(Duration::from_millis(5500));
    assert!(sender.child().try_wait().expect("a child").is_none(), "it has a goodbye to say");
    let mut recv = patient(&["recv", "stdio:", "--quiet"]);
    let receiver = Running::start(recv.stdin(reader));
    drop(recv);
    let received = receiver.finish();
    assert_exit(&received, 0);
    assert!(received.stdout == lines, "{} bytes", received.stdout.len());
    assert_exit(&sender.finish(), 0);
}

/// A program that only knows pipes writes frames to its standard output, and another reads frames from its standard input.
#[test]
fn a_pipeline_of_frames_goes_through_a_ring_and_a_socket() {
    let places = Places::new("bridge");
    let lines = numbered_lines(3000);
    let (ring, socket) = (places.at("shm"), places.at("unix"));
    let program = env!("CARGO_BIN_EXE_ringway");
    let script =
        format!(r#""{program}" send stdio: --lines -q | "{program}" pipe stdio: {ring} -q --timeout 30s"#);
    let feeding = Running::start(shell(&script).stdin(holding(&lines)));
    let between = Running::start(&mut patient(&["pipe", &ring, &socket]));
    let script =
        format!(r#""{program}" pipe {socket} stdio: -q --timeout 30s | "{program}" recv stdio: --lines -q"#);
    let received = Running::start(&mut shell(&script)).finish();
    assert_exit(&received, 0);
    assert!(received.stdout == lines, "{} bytes", received.stdout.len());
    assert_exit(&feeding.finish(), 0);
    assert_exit(&between.finish(), 0);
}

#[test]
fn the_example_of_a_shell_pipeline_counts_words() {
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_ringway"));
    let path = std::env::var("PATH").expect("a path");
    let path = format!("{}:{path}", program.parent().expect("a directory").display());
    let script = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/shell_pipeline.sh");
    let mut command = Command::new("sh");
    command.arg(script).env("PATH", path).stdout(Stdio::piped()).stderr(Stdio::piped());
    let counted = Running::start(command.stdin(holding(b"to be or not to be, to be precise"))).finish();
    assert_exit(&counted, 0);
    let lines: Vec<String> = text(&counted.stdout).lines().map(|line| line.trim().to_owned()).collect();
    assert_eq!((lines.len(), &*lines[0], &*lines[1]), (5, "3 to", "3 be"), "{lines:?}");
}

fn shell(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

#[test]
fn a_bridge_passes_on_that_its_sender_died() {
    let places = Places::new("died");
    let (from, to) = (places.at("unix"), places.at("fifo"));
    let mut receiver = Running::start(&mut patient(&["recv", &to]));
    let bridge = Running::start(&mut patient(&["pipe", &from, &to]));
    let mut sender = Running::start(patient(&["send", &from]).stdin(Stdio::piped()));
    let mut input = sender.child().stdin.take().expect("piped");
    std::io::Write::write_all(&mut input, b"before").expect("written");
    let mut came = [0; 6];
    let output = receiver.child().stdout.as_mut().expect("piped");
    std::io::Read::read_exact(output, &mut came).expect("it came");
    assert_eq!(&came, b"before");
    sender.child().kill().expect("killed");
    assert_says(&bridge.finish(), 4, &["died before the end of the stream"]);
    assert_exit(&receiver.finish(), 4);
}

#[test]
fn a_bridge_between_an_address_and_itself_is_refused() {
    let bridge = ringway(&["pipe", "camera", "shm:camera"]).output().expect("ringway pipe");
    assert_says(&bridge, 2, &["name two addresses"]);
}

#[test]
fn what_only_rings_can_do_is_refused_elsewhere() {
    for (option, value) in [("--persist", None), ("--durable", None), ("--sync-every", Some("3"))] {
        let refused =
            ringway(&["send", "unix:/nowhere/at/all", option]).args(value).output().expect("ringway send");
        assert_says(&refused, 2, &[option, "is for rings with a name"]);
    }
}

#[test]
fn whoever_waits_in_vain_for_the_other_side_is_told_so() {
    let places = Places::new("vain");
    for verb in ["send", "recv"] {
        let alone = ringway(&[verb, &places.at("auto"), "--timeout", "50ms"]).output().expect("it ends");
        assert_says(&alone, 5, &["nobody came to auto:"]);
    }
}

#[test]
fn an_address_of_no_transport_is_refused_with_those_there_are() {
    let refused = ringway(&["send", "tcp:localhost"]).output().expect("ringway send");
    assert_exit(&refused, 2);
    for scheme in ["auto:NAME", "unix:/path", "fifo:/path", "stdio:"] {
        assert!(text(&refused.stderr).contains(scheme), "{}", text(&refused.stderr));
    }
}
