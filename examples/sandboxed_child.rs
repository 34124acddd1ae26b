//! A parent hands rings to a child that can open nothing: no file, no shared memory, no socket.
//!
//! Without arguments it is both. The rings have no name and nothing is on disk: the child has their descriptors from its
//! start, attaches, and then takes from itself, by a seccomp filter, the right to open anything at all. From there on it
//! counts words in texts that may be as hostile as they like.
//!
//! The order matters: attach first, then let the sandbox come down, since attaching opens the descriptor anew.
#![allow(unsafe_code)]

use std::error::Error;
use std::fs::File;
use std::io;
use std::net::TcpListener;
use std::process::Command;

use nix::libc;
use nix::sys::prctl::set_no_new_privs;
use ringway::{RecvError, Role, handover, mpmc, spsc};

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

const TEXTS: [&str; 3] = ["to be or not to be", "", "words words words"];

fn main() -> Outcome {
    match std::env::args().nth(1).as_deref() {
        None => parent(),
        Some("child") => child(),
        Some(other) => Err(format!("{other:?} is no role: give nothing").into()),
    }
}

/// Hands two rings to the child, sends it texts, and receives how many words they have.
fn parent() -> Outcome {
    let mut texts = spsc::options().lone_producer()?;
    let mut counts = spsc::options().lone_consumer()?;
    let mut command = Command::new(std::env::current_exe()?);
    handover::to_child(&mut command, "texts", &texts, Role::Consumer)?;
    handover::to_child(&mut command, "counts", &counts, Role::Producer)?;
    let mut child = command.arg("child").spawn()?;
    for text in TEXTS {
        texts.send(text.as_bytes())?;
        let words = u64::from_le_bytes(counts.recv()?[..].try_into()?);
        println!("the child counted {words} words in {text:?}");
    }
    texts.close();
    let end = child.wait()?;
    if end.success() { Ok(()) } else { Err(format!("the child failed: {end}").into()) }
}

/// Attaches, gives up the right to open anything, and works.
fn child() -> Outcome {
    let mut texts = handover::from_parent("texts")?.consumer(&spsc::options())?;
    let mut counts = handover::from_parent("counts")?.producer(&spsc::options())?;
    open_nothing_from_now_on()?;
    let refusals = [
        File::open("/etc/passwd").map(drop).err(),
        TcpListener::bind("127.0.0.1:0").map(drop).err(),
        mpmc::pair().map(drop).err().map(io::Error::other),
    ];
    for refusal in refusals {
        println!("refused in the child: {}", refusal.ok_or("the sandbox has a hole")?);
    }
    loop {
        match texts.recv() {
            Ok(text) => {
                let words = String::from_utf8_lossy(&text).split_whitespace().count() as u64;
                counts.send(&words.to_le_bytes())?;
            }
            Err(RecvError::Closed) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Has the kernel refuse every call that opens something, to this process and its children, for good.
fn open_nothing_from_now_on() -> io::Result<()> {
    const NUMBER_AT: u32 = core::mem::offset_of!(libc::seccomp_data, nr) as u32;
    const OPENING: &[libc::c_long] = &[
        #[cfg(target_arch = "x86_64")]
        libc::SYS_open,
        #[cfg(target_arch = "x86_64")]
        libc::SYS_creat,
        libc::SYS_openat,
        libc::SYS_openat2,
        libc::SYS_open_by_handle_at,
        libc::SYS_memfd_create,
        libc::SYS_socket,
        libc::SYS_socketpair,
    ];
    let step = |code: u32, k: u32, jf: u8| libc::sock_filter { code: code as u16, jt: 0, jf, k };
    let refuse = step(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ERRNO | libc::EPERM as u32, 0);
    let mut steps = vec![step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, NUMBER_AT, 0)];
    for &call in OPENING {
        steps.extend([step(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, call as u32, 1), refuse]);
    }
    steps.push(step(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW, 0));
    set_no_new_privs()?;
    let program = libc::sock_fprog { len: steps.len() as u16, filter: steps.as_mut_ptr() };
    // SAFETY: `program` leads to as many steps as it says, and the kernel copies them within the call.
    let result = unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
