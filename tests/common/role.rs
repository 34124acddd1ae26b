//! Processes made by running the test binary again in a role.
//!
//! A binary with roles has a test `role`, which calls [`enter`]: it does nothing in an ordinary run. Test and
//! role talk in lines over the role's standard input and output.

use std::fmt::Display;
use std::io::{self, BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::PATIENCE;

const ROLE: &str = "RINGWAY_TEST_ROLE";
const ARGUMENTS: &str = "RINGWAY_TEST_ARGUMENTS";
/// What a role's lines begin with: the test harness writes to the same output.
const MARK: char = '@';
const SEPARATOR: char = '\u{1f}';

/// A role's name and what it does with its arguments.
pub type Entry = (&'static str, fn(&[&str]));

/// Plays the role that this process was started for, if any.
pub fn enter(roles: &[Entry]) {
    let Ok(wanted) = std::env::var(ROLE) else { return };
    let arguments = std::env::var(ARGUMENTS).expect("a role has arguments");
    let arguments: Vec<&str> = arguments.split(SEPARATOR).collect();
    let (_, play) = roles.iter().find(|(name, _)| *name == wanted).expect("a role of this binary");
    play(&arguments);
}

/// In a role: says a line to the test.
pub fn say(word: impl Display) {
    let mut out = io::stdout().lock();
    write!(out, "\n{MARK}{word}\n").and_then(|()| out.flush()).expect("the test listens");
}

/// In a role: waits for a line from the test.
pub fn listen() -> String {
    let mut line = String::new();
    io::stdin().read_line(&mut line).expect("the test speaks");
    line.trim_end().to_owned()
}

/// A process in a role; killed on drop.
#[derive(Debug)]
pub struct Role {
    child: Child,
    input: Option<ChildStdin>,
    said: Receiver<String>,
}

impl Role {
    pub fn start(role: &str, arguments: &[&str]) -> Role {
        Role::start_at("role", role, arguments)
    }

    /// Starts a role by a command that `prepare` may add to.
    pub fn start_with(role: &str, arguments: &[&str], prepare: impl FnOnce(&mut Command)) -> Role {
        Role::start_by("role", role, arguments, prepare)
    }

    /// Starts a role of the crate's own tests, where `entry` is the path of the test that calls [`enter`].
    pub fn start_at(entry: &str, role: &str, arguments: &[&str]) -> Role {
        Role::start_by(entry, role, arguments, |_| {})
    }

    fn start_by(entry: &str, role: &str, arguments: &[&str], prepare: impl FnOnce(&mut Command)) -> Role {
        let mut command = Command::new(std::env::current_exe().expect("this binary"));
        command
            .args([entry, "--exact", "--nocapture", "--test-threads=1"])
            .env(ROLE, role)
            .env(ARGUMENTS, arguments.join(&SEPARATOR.to_string()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        prepare(&mut command);
        let mut child = command.spawn().expect("this binary runs");
        let output = BufReader::new(child.stdout.take().expect("piped"));
        let (sender, said) = mpsc::channel();
        thread::spawn(move || {
            let lines = output.lines().map_while(Result::ok);
            let words = lines.filter_map(|line| line.strip_prefix(MARK).map(str::to_owned));
            words.take_while(|word| sender.send(word.clone()).is_ok()).for_each(drop);
        });
        Role { input: child.stdin.take(), child, said }
    }

    /// The next line that the role says.
    #[track_caller]
    pub fn hear(&self) -> String {
        self.said.recv_timeout(PATIENCE).expect("the role says something")
    }

    /// The next line must be this one.
    #[track_caller]
    pub fn expect(&self, word: &str) {
        assert_eq!(self.hear(), word);
    }

    pub fn tell(&mut self, word: &str) {
        let input = self.input.as_mut().expect("not finished");
        writeln!(input, "{word}").expect("the role listens");
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id() as i32), signal).expect("the role is there");
    }

    /// Kills the role with SIGKILL and waits until it is gone.
    pub fn kill(mut self) {
        self.signal(Signal::SIGKILL);
        self.child.wait().expect("it dies");
    }

    /// Waits until the role ends.
    pub fn wait(mut self) -> ExitStatus {
        drop(self.input.take());
        self.child.wait().expect("it ends")
    }

    /// Waits until the role ends; it must have ended well.
    #[track_caller]
    pub fn finish(self) {
        let status = self.wait();
        assert!(status.success(), "the role ended with {status}");
    }
}

impl Drop for Role {
    fn drop(&mut self) {
        // Both fail for a process that was waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
