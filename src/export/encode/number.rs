//! The numbers that instruments measure, as OTLP has them.
//!
//! | type | field | range of a sum |
//! |---|---|---|
//! | `f64` | the double one | its own |
//! | `i64` | the integer one | ends [`SUM_RESERVE`] before both ends of the type |
//! | `u64` | the integer one up to `i64::MAX`, then the double one | ends [`SUM_RESERVE`] before the end of the type |

use super::wire::{double, fixed64_value};

/// A type of measurements: `f64`, `i64` or `u64`.
pub(super) trait Number: Copy + Default {
    /// Appends the field of a `oneof` that holds the value.
    fn encode(self, out: &mut Vec<u8>, double_field: u8, int_field: u8);

    /// Returns the nearest double.
    fn as_f64(self) -> f64;

    /// Returns the value as bits, to keep it in a table of all types.
    fn to_bits(self) -> u64;

    /// Returns the value of [`to_bits`](Self::to_bits).
    fn from_bits(bits: u64) -> Self;

    /// Returns what was added since `earlier`, or everything if the counter was reset in between.
    fn since(self, earlier: Self) -> Self;

    /// Returns the end of the range for a sum that is kept near it: see [`SUM_RESERVE`].
    fn saturated(self) -> Self {
        self
    }
}

impl Number for f64 {
    fn encode(self, out: &mut Vec<u8>, double_field: u8, _: u8) {
        double(out, double_field, self);
    }

    fn as_f64(self) -> f64 {
        self
    }

    fn to_bits(self) -> u64 {
        Self::to_bits(self)
    }

    fn from_bits(bits: u64) -> Self {
        Self::from_bits(bits)
    }

    fn since(self, earlier: Self) -> Self {
        if self >= earlier { self - earlier } else { self }
    }
}

impl Number for i64 {
    fn encode(self, out: &mut Vec<u8>, _: u8, int_field: u8) {
        fixed64_value(out, int_field, self as u64);
    }

    fn as_f64(self) -> f64 {
        self as f64
    }

    fn to_bits(self) -> u64 {
        self as u64
    }

    fn from_bits(bits: u64) -> Self {
        bits as Self
    }

    fn since(self, earlier: Self) -> Self {
        if self >= earlier { self.saturating_sub(earlier) } else { self }
    }

    fn saturated(self) -> Self {
        const END: i64 = i64::MAX - 2 * SUM_RESERVE as i64;
        match self {
            value if value <= -END => Self::MIN,
            value if value >= END => Self::MAX,
            _ => self,
        }
    }
}

impl Number for u64 {
    /// Encoded as a double if it is too large for OTLP's signed integer.
    fn encode(self, out: &mut Vec<u8>, double_field: u8, int_field: u8) {
        match i64::try_from(self) {
            Ok(value) => value.encode(out, double_field, int_field),
            Err(_) => double(out, double_field, self.as_f64()),
        }
    }

    fn as_f64(self) -> f64 {
        self as f64
    }

    fn to_bits(self) -> u64 {
        self
    }

    fn from_bits(bits: u64) -> Self {
        bits
    }

    fn since(self, earlier: Self) -> Self {
        self.checked_sub(earlier).unwrap_or(self)
    }

    fn saturated(self) -> Self {
        if self >= Self::MAX - 2 * SUM_RESERVE { Self::MAX } else { self }
    }
}

/// Sums of integers are kept at this distance from the ends of their range, so they cannot wrap. Those that are
/// within twice of it have overflowed.
pub(crate) const SUM_RESERVE: u64 = 1 << 58;
