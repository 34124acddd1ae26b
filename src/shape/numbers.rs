//! The shapes that end every description: numbers whose width is the same everywhere.

use super::{Shape, Type};

impl Shape for u8 {
    const SHAPE: Type = Type::number::<Self>("u8");
}

impl Shape for u16 {
    const SHAPE: Type = Type::number::<Self>("u16");
}

impl Shape for u32 {
    const SHAPE: Type = Type::number::<Self>("u32");
}

impl Shape for u64 {
    const SHAPE: Type = Type::number::<Self>("u64");
}

impl Shape for u128 {
    const SHAPE: Type = Type::number::<Self>("u128");
}

impl Shape for i8 {
    const SHAPE: Type = Type::number::<Self>("i8");
}

impl Shape for i16 {
    const SHAPE: Type = Type::number::<Self>("i16");
}

impl Shape for i32 {
    const SHAPE: Type = Type::number::<Self>("i32");
}

impl Shape for i64 {
    const SHAPE: Type = Type::number::<Self>("i64");
}

impl Shape for i128 {
    const SHAPE: Type = Type::number::<Self>("i128");
}

impl Shape for f32 {
    const SHAPE: Type = Type::number::<Self>("f32");
}

impl Shape for f64 {
    const SHAPE: Type = Type::number::<Self>("f64");
}

#[cfg(test)]
mod tests {
    use crate::shape::{Shape, describe};

    #[test]
    fn every_number_is_described_by_its_own_name() {
        fn named<T: Shape>() {
            let (name, size, align) = (std::any::type_name::<T>(), size_of::<T>(), align_of::<T>());
            assert_eq!(describe::<T>(), format!("{name} size {size} align {align}"));
        }
        named::<u8>();
        named::<u16>();
        named::<u32>();
        named::<u64>();
        named::<u128>();
        named::<i8>();
        named::<i16>();
        named::<i32>();
        named::<i64>();
        named::<i128>();
        named::<f32>();
        named::<f64>();
    }
}
