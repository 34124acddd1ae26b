//! The `ringway` command as its users meet it: the built program, real processes, real rings.

mod admin;
mod bench;
mod common;
mod connected;
mod crash;
mod ends;
mod stream;
mod studies;
mod usage;
mod work;
