//! Figures as people write them.

/// A time in the unit that suits it.
pub fn time(nanoseconds: f64) -> String {
    let (value, unit) = match nanoseconds {
        _ if nanoseconds < 999.5 => (nanoseconds, "ns"),
        _ if nanoseconds < 999_500.0 => (nanoseconds / 1e3, "µs"),
        _ if nanoseconds < 999_500_000.0 => (nanoseconds / 1e6, "ms"),
        _ => (nanoseconds / 1e9, "s"),
    };
    format!("{} {unit}", digits(value))
}

/// A number with a prefix for thousands.
pub fn count(value: f64) -> String {
    let (value, prefix) = match value {
        _ if value < 999.5 => (value, ""),
        _ if value < 999_500.0 => (value / 1e3, " k"),
        _ if value < 999_500_000.0 => (value / 1e6, " M"),
        _ => (value / 1e9, " G"),
    };
    format!("{}{prefix}", digits(value))
}

/// A size in bytes; K and M are powers of 1024.
pub fn bytes(value: f64) -> String {
    match value {
        _ if value < 1024.0 => format!("{} B", digits(value)),
        _ if value < 1_048_576.0 => format!("{} K", digits(value / 1024.0)),
        _ if value < 1_073_741_824.0 => format!("{} M", digits(value / 1_048_576.0)),
        _ => format!("{} G", digits(value / 1_073_741_824.0)),
    }
}

/// A ratio.
pub fn times(value: f64) -> String {
    format!("{} ×", digits(value))
}

/// Three digits, without zeros at the end of a fraction.
pub fn digits(value: f64) -> String {
    let text = match value.abs() {
        size if size >= 99.95 => format!("{value:.0}"),
        size if size >= 9.995 => format!("{value:.1}"),
        size if size >= 0.0995 || size == 0.0 => format!("{value:.2}"),
        size if size >= 0.00995 => format!("{value:.3}"),
        _ => format!("{value:.4}"),
    };
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_three_digits_and_a_unit() {
        assert_eq!(
            [time(7.256), time(999.7), time(71_300.0), time(2.5e9)],
            ["7.26 ns", "1 µs", "71.3 µs", "2.5 s"]
        );
        assert_eq!([count(20.0), count(45_200_000.0), count(1e9)], ["20", "45.2 M", "1 G"]);
        assert_eq!([bytes(8.0), bytes(65536.0), bytes(16_777_216.0)], ["8 B", "64 K", "16 M"]);
        assert_eq!(
            [times(0.8217), times(134.2), digits(0.0), digits(0.00213)],
            ["0.82 ×", "134 ×", "0", "0.0021"]
        );
    }
}
