//! Where two shapes' texts part, in words.
//!
//! One of the texts was read from a header that anybody may have written, so nothing here relies on
//! its form: braces need not match, fields need no name. A text that is no shape makes a poor
//! message, nothing worse.

/// The first place where two shapes' texts part, for an error message: ``field `pose.y`: found f64
/// at 8, expected f32 at 8``; `none` when they are equal.
///
/// `found` comes from a header that anybody may have written: any text is accepted, and its control
/// characters are escaped.
pub fn difference(found: &str, expected: &str) -> String {
    if found == expected {
        return "none".into();
    }
    let (mut found, mut expected) = (found, expected);
    let mut path = Vec::new();
    while let Some(fields) = first_unequal_fields(found, expected) {
        (found, expected) = fields;
        match (found.split_once(": "), expected.split_once(": ")) {
            (Some((name, inner)), Some((same, other))) if name == same => {
                path.push(name);
                (found, expected) = (inner, other);
            }
            _ => break,
        }
    }
    let place = if path.is_empty() { String::new() } else { format!("field `{}`: ", path.join(".")) };
    format!("{place}found {}, expected {}", abridged(found), abridged(expected))
}

/// The first fields that differ between two structs; the empty text where one of them has no more.
fn first_unequal_fields<'t>(found: &'t str, expected: &'t str) -> Option<(&'t str, &'t str)> {
    let (found, expected) = (fields(body(found)?), fields(body(expected)?));
    let at = |fields: &[&'t str], index| fields.get(index).copied().unwrap_or("");
    (0..found.len().max(expected.len()))
        .map(|index| (at(&found, index), at(&expected, index)))
        .find(|(found, expected)| found != expected)
}

/// What stands between the outermost braces.
fn body(text: &str) -> Option<&str> {
    Some(text.split_once('{')?.1.rsplit_once('}')?.0)
}

/// The fields of a struct's body; commas inside nested braces do not part them.
fn fields(body: &str) -> Vec<&str> {
    let mut depth = 0_isize;
    let comma = |c| {
        depth += isize::from(c == '{') - isize::from(c == '}');
        c == ',' && depth == 0
    };
    body.split(comma).map(str::trim_start).collect()
}

/// A field's text for a message: nested fields left out, nothing unprintable left in.
fn abridged(text: &str) -> String {
    let text = match text.split_once('{').zip(text.rsplit_once('}')) {
        Some(((before, _), (_, after))) => format!("{before}{{…}}{after}"),
        None if text.is_empty() => "nothing".into(),
        None => text.into(),
    };
    text.replace(" @", " at ").escape_debug().to_string()
}

#[cfg(test)]
mod tests {
    use super::difference;

    #[test]
    fn names_the_innermost_field() {
        let found = "{stamp: u64 @0, pose: {x: f64 @0, y: f64 @8} @8} size 24 align 8";
        let expected = "{stamp: u64 @0, pose: {x: f64 @0, y: f32 @8, z: f32 @12} @8} size 24 align 8";
        assert_eq!(difference(found, expected), "field `pose.y`: found f64 at 8, expected f32 at 8");
    }

    #[test]
    fn shows_both_names_when_they_differ() {
        let found = "{a: [{x: u8 @0}; 2] @0} size 2 align 1";
        let expected = "{a: [{y: u8 @0}; 2] @0} size 2 align 1";
        assert_eq!(difference(found, expected), "field `a`: found x: u8 at 0, expected y: u8 at 0");
    }

    #[test]
    fn tells_a_missing_field() {
        let short = "{a: u8 @0} size 1 align 1";
        let long = "{a: u8 @0, b: {c: u8 @0} @1} size 2 align 1";
        assert_eq!(difference(short, long), "found nothing, expected b: {…} at 1");
        assert_eq!(difference(long, short), "found b: {…} at 1, expected nothing");
    }

    #[test]
    fn tells_counts_and_alignments_after_equal_fields() {
        let pair = "{a: [{x: u8 @0}; 2] @0} size 2 align 1";
        let trio = "{a: [{x: u8 @0}; 3] @0} size 3 align 1";
        assert_eq!(difference(pair, trio), "field `a`: found [{…}; 2] at 0, expected [{…}; 3] at 0");
        assert_eq!(
            difference("{a: u32 @0} size 4 align 1", "{a: u32 @0} size 4 align 4"),
            "found {…} size 4 align 1, expected {…} size 4 align 4"
        );
    }

    #[test]
    fn tells_kinds_apart_without_fields() {
        assert_eq!(
            difference("u32 size 4 align 4", "f32 size 4 align 4"),
            "found u32 size 4 align 4, expected f32 size 4 align 4"
        );
        assert_eq!(difference("u8 size 1 align 1", "u8 size 1 align 1"), "none");
    }

    #[test]
    fn text_that_is_no_shape_is_quoted_harmlessly() {
        let expected = "{a: u8 @0} size 1 align 1";
        assert_eq!(difference("\u{1b}[31m", expected), "found \\u{1b}[31m, expected {…} size 1 align 1");
        for found in ["", "}{", "{", "{{{{", "}}}}", "{,,}", "{a: {a: {a: }}}", "{a: é, }…"] {
            assert!(difference(found, expected).contains("expected"), "{found}");
        }
    }
}
