//! From message sizes to types of so many words.

use anyhow::{Result, bail};

/// Something that is made of messages of a number of words known to the compiler.
pub trait ForWords {
    /// What is made.
    type Made;

    /// Makes it for messages of `W` words.
    fn make<const W: usize>(self) -> Result<Self::Made>;
}

/// Makes what is made of messages of `size` bytes.
pub fn for_size<M: ForWords>(size: usize, maker: M) -> Result<M::Made> {
    match size {
        8 => maker.make::<1>(),
        64 => maker.make::<8>(),
        248 => maker.make::<31>(),
        1016 => maker.make::<127>(),
        4088 => maker.make::<511>(),
        65536 => maker.make::<8192>(),
        _ => bail!("no queue is made for messages of {size} bytes"),
    }
}
