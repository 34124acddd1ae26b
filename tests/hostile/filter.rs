//! A kernel that says no: a seccomp filter for this thread and its children, for good.
#![allow(unsafe_code)]

use std::io;

use nix::errno::Errno;
use nix::libc;
use nix::sys::prctl::set_no_new_privs;

/// A system call that is to fail.
pub struct Denied {
    pub call: libc::c_long,
    /// Only if this argument has one of these bits.
    pub only_if: Option<(u32, u32)>,
    pub errno: Errno,
}

impl Denied {
    pub fn always(call: libc::c_long, errno: Errno) -> Denied {
        Denied { call, only_if: None, errno }
    }
}

/// Where the kernel's description of a call has its number, and its arguments of 64 bits.
const NUMBER_AT: u32 = 0;
const ARGUMENTS_AT: u32 = 16;

const LOAD: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
const IF_EQUAL: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
const IF_BITS: u32 = libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K;
const RETURN: u32 = libc::BPF_RET | libc::BPF_K;

fn step(code: u32, k: u32, jf: u8) -> libc::sock_filter {
    libc::sock_filter { code: code as u16, jt: 0, jf, k }
}

/// From now on every one of `denied` fails.
pub fn deny(denied: &[Denied]) {
    let mut program = Vec::new();
    for Denied { call, only_if, errno } in denied {
        let refuse = step(RETURN, libc::SECCOMP_RET_ERRNO | *errno as u32, 0);
        program.push(step(LOAD, NUMBER_AT, 0));
        match only_if {
            None => program.extend([step(IF_EQUAL, *call as u32, 1), refuse]),
            Some((argument, bits)) => program.extend([
                step(IF_EQUAL, *call as u32, 3),
                step(LOAD, ARGUMENTS_AT + 8 * argument, 0),
                step(IF_BITS, *bits, 1),
                refuse,
            ]),
        }
    }
    program.push(step(RETURN, libc::SECCOMP_RET_ALLOW, 0));
    install(&mut program);
}

fn install(program: &mut [libc::sock_filter]) {
    set_no_new_privs().expect("anybody may");
    let program = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    // SAFETY: `program` leads to as many steps as it says, and the kernel copies them within the call.
    let result = unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) };
    assert_eq!(result, 0, "{}", io::Error::last_os_error());
}
