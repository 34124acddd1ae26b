//! Rings of their own for every test, and short words to start the program with.

use std::fs::File;
use std::io::{Seek, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio, id};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::thread::{panicking, sleep};
use std::time::{Duration, Instant};

/// Longer than anything takes on a busy machine; only a hang gets there.
pub const LIMIT: Duration = Duration::from_secs(30);

/// A ring's name that no other test has. At its end the ring must be gone.
pub struct Name(String);

impl Name {
    /// A name that says which test it belongs to.
    pub fn new(test: &str) -> Self {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        Self(format!("test-cli-{test}-{}-{}", id(), COUNTER.fetch_add(1, Relaxed)))
    }

    /// The address, as it is given to the program.
    pub fn address(&self) -> String {
        format!("shm:{}", self.0)
    }

    /// The file behind the ring.
    pub fn path(&self) -> PathBuf {
        Path::new("/dev/shm").join(format!("ringway.{}", self.0))
    }

    /// `ringway send` to this ring, with a limit to its patience.
    pub fn send(&self, options: &[&str]) -> Command {
        self.stream("send", options)
    }

    /// `ringway recv` from this ring, with a limit to its patience.
    pub fn recv(&self, options: &[&str]) -> Command {
        self.stream("recv", options)
    }

    fn stream(&self, verb: &str, options: &[&str]) -> Command {
        let mut command = ringway(&[verb, &self.address()]);
        if !options.contains(&"--timeout") {
            command.args(["--timeout", "30s"]);
        }
        command.args(options);
        command
    }

    /// Removes the ring, which the test expects to be there.
    pub fn remove(&self) {
        let removed = ringway(&["rm", &self.address(), "--force"]).output().expect("ringway rm");
        assert!(removed.status.success(), "{}", text(&removed.stderr));
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        let left = self.path().exists();
        let _ = std::fs::remove_file(self.path());
        assert!(panicking() || !left, "{} was left behind", self.path().display());
    }
}

/// The program with `arguments`, its output captured.
pub fn ringway(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringway"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A child that does not outlive its test.
pub struct Running(Option<Child>);

impl Running {
    /// Starts `command`.
    pub fn start(command: &mut Command) -> Self {
        Self(Some(command.spawn().expect("start ringway")))
    }

    /// The child itself.
    pub fn child(&mut self) -> &mut Child {
        self.0.as_mut().expect("the child is running")
    }

    /// Kills it with SIGKILL.
    pub fn kill(&mut self) {
        self.child().kill().expect("kill");
    }

    /// Its output and exit status, once it has ended.
    pub fn finish(mut self) -> Output {
        self.0.take().expect("the child is running").wait_with_output().expect("wait for ringway")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A file that holds `bytes`, to be a standard input.
pub fn holding(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().expect("a temporary file");
    file.write_all(bytes).expect("write");
    file.rewind().expect("rewind");
    file
}

/// Waits until `happened`.
pub fn until(what: &str, mut happened: impl FnMut() -> bool) {
    let began = Instant::now();
    while !happened() {
        assert!(began.elapsed() < LIMIT, "still waiting for {what}");
        sleep(Duration::from_millis(2));
    }
}

/// Lines that all differ, `len` bytes or a few more.
pub fn numbered_lines(len: usize) -> Vec<u8> {
    let mut lines = Vec::with_capacity(len + 32);
    for number in 0_u64.. {
        if lines.len() >= len {
            break;
        }
        writeln!(lines, "{number:012}").expect("write to memory");
    }
    lines
}

/// Checks the exit code, and shows what was said if it is another one.
#[track_caller]
pub fn assert_exit(output: &Output, code: i32) {
    assert_eq!(output.status.code(), Some(code), "standard error: {}", text(&output.stderr));
}

/// Checks that `output` failed with `code` and said one line with all of `words`.
#[track_caller]
pub fn assert_says(output: &Output, code: i32, words: &[&str]) {
    assert_exit(output, code);
    let said = text(&output.stderr);
    assert_eq!(said.lines().count(), 1, "{said}");
    for word in words {
        assert!(said.contains(word), "{word:?} is missing: {said}");
    }
}

/// Bytes as text.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
