//! One body of checks, run over every backing: what a ring promises does not depend on where it lives.

#[path = "../common/mod.rs"]
mod common;

mod bed;
mod crash;
mod guards;
mod hosted;
mod life;
mod limits;
mod model;
mod traffic;
mod typed;
