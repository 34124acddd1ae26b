//! Sequences: positions in a stream of bytes that never wrap and are never reused.
//!
//! A sequence counts bytes for ever in 64 bits (at 100 GB/s: five years). It is masked in one function,
//! [`Seq::offset`], and two sequences are compared only by their distance.

/// A position in a ring's stream of bytes, never masked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(transparent)]
pub(crate) struct Seq(pub(crate) u64);

impl Seq {
    /// The position `bytes` further on.
    #[inline(always)]
    pub(crate) fn after(self, bytes: u64) -> Seq {
        Seq(self.0.wrapping_add(bytes))
    }

    /// How many bytes this position is past `earlier`; huge when it is not past it.
    #[inline(always)]
    pub(crate) fn since(self, earlier: Seq) -> u64 {
        self.0.wrapping_sub(earlier.0)
    }

    /// Where this position lies in a ring of `mask + 1` bytes.
    #[inline(always)]
    pub(crate) fn offset(self, mask: u64) -> u64 {
        self.0 & mask
    }
}

#[cfg(test)]
mod tests {
    use super::Seq;

    #[test]
    fn distance_survives_the_end_of_the_numbers() {
        let late = Seq(u64::MAX - 7);
        assert_eq!(late.after(16), Seq(8));
        assert_eq!(late.after(16).since(late), 16);
        assert!(late.since(late.after(8)) > u64::MAX / 2);
    }

    #[test]
    fn offset_is_the_position_within_the_ring() {
        assert_eq!(Seq(64).offset(63), 0);
        assert_eq!(Seq(64 + 24).offset(63), 24);
    }
}
