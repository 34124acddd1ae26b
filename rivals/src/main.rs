//! ringway beside its rivals: see the library.

fn main() -> anyhow::Result<()> {
    ringway_rivals::run(&[])
}
