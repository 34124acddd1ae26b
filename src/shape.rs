//! What a message type looks like in memory, as text that both sides of a typed ring compare.
//!
//! Two programs agree on a type when its bytes mean the same to both: the same fields, by name, of
//! the same kinds, at the same offsets. What the type is called, and which crate or compiler
//! version it came from, is no part of that. So a shape has one canonical line of text and no type
//! names:
//!
//! ```text
//! {stamp: u64 @0, pose: {x: f64 @0, y: f64 @8} @8, samples: [i16; 8] @24} size 40 align 8
//! ```
//!
//! Offsets count from the enclosing struct. The ring's header carries the text, for people, and its
//! [`fingerprint`], for a quick comparison. Byte order is no part of the shape: both sides run on
//! one machine, and the header's magic number proves it.

mod difference;
mod numbers;

use std::fmt;

pub use difference::difference;

/// A type whose layout both sides of a ring can compare.
///
/// Derive it. The struct must be `#[repr(C)]`, because the order of the fields is otherwise the
/// compiler's choice, or `#[repr(transparent)]`, and then it has the shape of what it wraps:
///
/// ```
/// #[derive(ringway::Shape)]
/// #[repr(C)]
/// struct Reading {
///     stamp: u64,
///     axes: [f32; 4],
/// }
/// assert_eq!(
///     ringway::shape::describe::<Reading>(),
///     "{stamp: u64 @0, axes: [f32; 4] @8} size 24 align 8",
/// );
/// ```
///
/// # What has no shape
///
/// `usize` and `isize`, which differ between a 32-bit and a 64-bit peer; `bool`, `char` and every
/// enum, which have bit patterns that are no value (send the number and check it on arrival);
/// references, which mean nothing to another process.
///
/// ```compile_fail
/// #[derive(ringway::Shape)]
/// #[repr(u8)]
/// enum Gear { Park, Drive }
/// ```
///
/// A struct whose layout is the compiler's choice:
///
/// ```compile_fail
/// #[derive(ringway::Shape)]
/// struct Reading { stamp: u64, value: f64 }
/// ```
///
/// A struct with padding, whose bytes are undefined; make the gap a field, here of type `[u8; 4]`:
///
/// ```compile_fail
/// #[derive(ringway::Shape)]
/// #[repr(C)]
/// struct Reading { channel: u32, value: f64 }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no `Shape`, so it cannot be part of a message",
    note = "numbers of a fixed width, arrays, and structs that derive `ringway::Shape` have one; \
            `usize`, `bool`, `char`, enums and references do not"
)]
pub trait Shape {
    /// The layout of `Self`.
    const SHAPE: Type;
}

/// The layout of one type: what [`Shape::SHAPE`] holds. Its `Display` is the canonical text without
/// size and alignment.
#[derive(Clone, Copy, Debug)]
pub struct Type {
    kind: Kind,
    size: usize,
    align: usize,
}

/// One field of a struct: its name, offset and type.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    name: &'static str,
    offset: usize,
    shape: Type,
}

/// What a type is made of.
#[derive(Clone, Copy, Debug)]
enum Kind {
    /// A number, by the name Rust gives it.
    Number(&'static str),
    /// The element and how many.
    Array(&'static Type, usize),
    /// In order of offset, without gaps.
    Struct(&'static [Field]),
}

impl Type {
    /// The shape of the struct `T`, from its fields in order of offset.
    ///
    /// # Panics
    ///
    /// At compile time, in a constant, unless the fields cover `T` from its first byte to its last,
    /// each beginning where the one before it ends.
    pub const fn structure<T>(fields: &'static [Field]) -> Self {
        let mut end = 0;
        let mut next = 0;
        while next < fields.len() {
            let field = &fields[next];
            assert!(field.offset >= end, "fields overlap or are out of order");
            assert!(field.offset == end, "padding before a field: make the gap a field");
            end += field.shape.size;
            next += 1;
        }
        assert!(end <= size_of::<T>(), "the fields are larger than the struct");
        assert!(end == size_of::<T>(), "padding after the last field: make the gap a field");
        Self::new::<T>(Kind::Struct(fields))
    }

    /// The shape of the number `T`, called `name`.
    const fn number<T>(name: &'static str) -> Self {
        Self::new::<T>(Kind::Number(name))
    }

    /// A shape of the size and alignment of `T`.
    const fn new<T>(kind: Kind) -> Self {
        Self { kind, size: size_of::<T>(), align: align_of::<T>() }
    }
}

impl Field {
    /// A field of type `T`, `offset` bytes into its struct (see [`std::mem::offset_of`]).
    ///
    /// # Panics
    ///
    /// At compile time, in a constant, when `name` is neither an identifier nor the number of a
    /// tuple's field: any other character could make two different shapes read the same.
    pub const fn of<T: Shape>(name: &'static str, offset: usize) -> Self {
        let bytes = name.as_bytes();
        let mut next = 0;
        while next < bytes.len() {
            let byte = bytes[next];
            assert!(byte.is_ascii_alphanumeric() || byte == b'_' || !byte.is_ascii(), "not a field's name");
            next += 1;
        }
        assert!(!bytes.is_empty(), "a field needs a name");
        Self { name, offset, shape: T::SHAPE }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Kind::Number(name) => f.write_str(name),
            Kind::Array(element, count) => write!(f, "[{element}; {count}]"),
            Kind::Struct(fields) => {
                f.write_str("{")?;
                for (index, field) in fields.iter().enumerate() {
                    let comma = if index == 0 { "" } else { ", " };
                    write!(f, "{comma}{}: {} @{}", field.name, field.shape, field.offset)?;
                }
                f.write_str("}")
            }
        }
    }
}

impl<T: Shape, const N: usize> Shape for [T; N] {
    const SHAPE: Type = Type::new::<Self>(Kind::Array(&T::SHAPE, N));
}

/// The canonical text of `T`'s shape: equal for two types exactly when their shapes are.
///
/// A hand-written [`Shape`] whose size or alignment is not that of `T` does not compile here.
pub fn describe<T: Shape>() -> String {
    const {
        assert!(T::SHAPE.size == size_of::<T>(), "the shape is that of a type of another size");
        assert!(T::SHAPE.align == align_of::<T>(), "the shape is that of a type of another alignment");
    }
    let shape = T::SHAPE;
    format!("{shape} size {} align {}", shape.size, shape.align)
}

/// A 128-bit hash (FNV-1a) of a shape's text, the same on every machine and in every version.
///
/// It guards against mistakes, not malice: texts with equal fingerprints can be constructed.
pub fn fingerprint(text: &str) -> u128 {
    const BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = (1 << 88) + 0x13b;
    text.bytes().fold(BASIS, |hash, byte| (hash ^ u128::from(byte)).wrapping_mul(PRIME))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::mem::offset_of;

    #[repr(C)]
    struct Pose {
        x: f64,
        y: f64,
    }

    impl Shape for Pose {
        const SHAPE: Type = Type::structure::<Self>(&[
            Field::of::<f64>("x", offset_of!(Self, x)),
            Field::of::<f64>("y", offset_of!(Self, y)),
        ]);
    }

    #[test]
    fn text_nests_structs_and_arrays() {
        assert_eq!(describe::<[[Pose; 2]; 3]>(), "[[{x: f64 @0, y: f64 @8}; 2]; 3] size 96 align 8");
    }

    /// Vectors published with the hash; a change here breaks every ring that exists.
    #[test]
    fn fingerprint_is_fnv_1a() {
        assert_eq!(fingerprint(""), 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d);
        assert_eq!(fingerprint("a"), 0xd228_cb69_6f1a_8caf_7891_2b70_4e4a_8964);
        assert_eq!(fingerprint("foobar"), 0x343e_1662_793c_64bf_6f0d_3597_ba44_6f18);
    }

    #[test]
    #[should_panic(expected = "padding before a field")]
    fn gap_between_fields_is_refused() {
        const FIELDS: &[Field] = &[Field::of::<u32>("a", 0), Field::of::<u64>("b", 8)];
        Type::structure::<[u64; 2]>(FIELDS);
    }

    #[test]
    #[should_panic(expected = "padding after the last field")]
    fn gap_at_the_end_is_refused() {
        const FIELDS: &[Field] = &[Field::of::<u64>("a", 0), Field::of::<u32>("b", 8)];
        Type::structure::<[u64; 2]>(FIELDS);
    }

    #[test]
    #[should_panic(expected = "overlap")]
    fn overlap_is_refused() {
        const FIELDS: &[Field] = &[Field::of::<u64>("a", 0), Field::of::<u32>("b", 4)];
        Type::structure::<u64>(FIELDS);
    }

    #[test]
    #[should_panic(expected = "larger than the struct")]
    fn fields_beyond_the_end_are_refused() {
        const FIELDS: &[Field] = &[Field::of::<u64>("a", 0), Field::of::<u32>("b", 8)];
        Type::structure::<u64>(FIELDS);
    }

    #[test]
    #[should_panic(expected = "not a field's name")]
    fn name_that_reads_as_structure_is_refused() {
        Field::of::<u8>("a: u8 @0, b", 0);
    }
}
