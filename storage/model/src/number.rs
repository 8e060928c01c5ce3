//! DynamoDB's numbers: exact decimals of up to 38 significant digits.
//!
//! A number is zero or ±d × 10^e with an integer d of at most 38 digits; its magnitude lies between 1E-130 and
//! 9.99…E+125. It is kept without trailing zeros in d, so that equal values are equal bytes.
//!
//! Guaranteed: parsing is exact or refused (never rounded) and takes work linear in the length of the text,
//! whatever its exponent; `Display` prints DynamoDB's plain form without an exponent; `Ord` is by value.
//! Not offered: arithmetic with rounding, infinities, NaN.
//!
//! The order-preserving bytes ([`Number::encode_ordered`]) are self-delimiting, 1 to 22 bytes:
//!
//! | value    | bytes |
//! |----------|-------|
//! | zero     | `80` |
//! | positive | `C0`, magnitude + 130 (1 byte), pairs of digits + 1 (each `01`..`64`; the first not below 10), `00` |
//! | negative | the complement of every byte of the positive: `3F`, …, `FF` |
//!
//! *Magnitude* is the power of ten of the first digit. An odd last digit is filled up with 0 to a pair.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

mod arithmetic;

/// Most significant digits of a number.
pub const MAX_DIGITS: u32 = 38;
/// Power of ten of the first digit of the largest numbers.
pub const MAX_MAGNITUDE: i32 = 125;
/// Power of ten of the first digit of the smallest positive numbers.
pub const MIN_MAGNITUDE: i32 = -130;

/// An exact decimal number. See the module's documentation.
///
/// ```
/// # use sealdb_model::Number;
/// let n: Number = "-12.50e3".parse()?;
/// assert_eq!(n.to_string(), "-12500");
/// assert_eq!(n, Number::from(-12_500));
/// # Ok::<(), sealdb_model::NumberError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Number {
    // The digits d as two halves: a u128 would be aligned to 16 bytes and make every value a third larger.
    high: u64,
    low: u64,
    // Without meaning (0) if d is 0. Else d × 10^exponent, and d does not end in 0.
    exponent: i16,
    negative: bool,
}

/// Why a text is not a number of DynamoDB. The messages are AWS's.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
pub enum NumberError {
    /// Not a decimal number. Holds the text, cut at 128 characters.
    #[error("The parameter cannot be converted to a numeric value{}{}", if .0.is_empty() { "" } else { ": " }, .0)]
    NotNumeric(String),
    /// More than 38 significant digits.
    #[error("Attempting to store more than 38 significant digits in a Number")]
    TooManyDigits,
    /// Magnitude above 9.99…E+125.
    #[error(
        "Number overflow. Attempting to store a number with magnitude larger than supported range"
    )]
    Overflow,
    /// Magnitude below 1E-130.
    #[error(
        "Number underflow. Attempting to store a number with magnitude smaller than supported range"
    )]
    Underflow,
}

impl fmt::Debug for NumberError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NumberError::NotNumeric(_) => "NotNumeric",
            NumberError::TooManyDigits => "TooManyDigits",
            NumberError::Overflow => "Overflow",
            NumberError::Underflow => "Underflow",
        })
    }
}

impl From<NumberError> for crate::ValidationError {
    fn from(error: NumberError) -> Self {
        crate::ValidationError::new(error.to_string())
    }
}

impl Number {
    /// Zero.
    pub const ZERO: Number = Number {
        high: 0,
        low: 0,
        exponent: 0,
        negative: false,
    };

    /// ±`digits` × 10^`exponent`, exact.
    ///
    /// # Errors
    /// [`NumberError`] if that is outside of what a number holds.
    pub fn from_parts(negative: bool, digits: u128, exponent: i32) -> Result<Self, NumberError> {
        if digits == 0 {
            return Ok(Self::ZERO);
        }
        let (digits, zeros) = without_trailing_zeros(digits);
        let exponent = i64::from(exponent) + i64::from(zeros);
        let count = i64::from(count_digits(digits));
        let magnitude = exponent + count - 1;
        if magnitude > i64::from(MAX_MAGNITUDE) {
            return Err(NumberError::Overflow);
        }
        if magnitude < i64::from(MIN_MAGNITUDE) {
            return Err(NumberError::Underflow);
        }
        if count > i64::from(MAX_DIGITS) {
            return Err(NumberError::TooManyDigits);
        }
        // At least MIN_MAGNITUDE - 37 and at most MAX_MAGNITUDE here, so it fits.
        let exponent = i16::try_from(exponent).map_err(|_| NumberError::Overflow)?;
        Ok(Self {
            high: (digits >> 64) as u64,
            low: digits as u64,
            exponent,
            negative,
        })
    }

    /// The parts `(negative, digits, exponent)` with digits that do not end in 0 (or are 0).
    pub fn to_parts(self) -> (bool, u128, i32) {
        (self.negative, self.digits(), i32::from(self.exponent))
    }

    fn digits(self) -> u128 {
        (u128::from(self.high) << 64) | u128::from(self.low)
    }

    /// Whether the value is zero.
    pub fn is_zero(self) -> bool {
        self.high == 0 && self.low == 0
    }

    /// Count of significant digits: 0 for zero, else 1 to 38.
    pub fn significant_digits(self) -> u32 {
        count_digits(self.digits())
    }

    /// The length of its plain form, which `Display` gives: up to 168 bytes.
    pub(crate) fn decimal_length(self) -> usize {
        let digits = self.significant_digits().max(1) as usize;
        let shift = usize::from(self.exponent.unsigned_abs());
        let unsigned = match self.exponent {
            0.. => digits + shift,
            // A point, and a zero before it unless a digit is there.
            _ if shift < digits => digits + 1,
            _ => shift + 2,
        };
        unsigned + usize::from(self.negative)
    }

    /// Power of ten of the first digit; 0 for zero.
    fn magnitude(self) -> i32 {
        match self.significant_digits() {
            0 => 0,
            count => i32::from(self.exponent) + count as i32 - 1,
        }
    }

    /// Bytes that the number counts for in an item: 1 for 0; else one for every pair of digits that is not empty, where pairs begin at
    /// the point, one more, and another if it is negative.
    pub fn size(self) -> usize {
        if self.is_zero() {
            return 1;
        }
        let pair = |power: i32| power.div_euclid(2);
        let pairs = pair(self.magnitude()) - pair(i32::from(self.exponent)) + 1;
        1 + pairs.unsigned_abs() as usize + usize::from(self.negative)
    }

    /// The value as an integer, if it is one and fits.
    pub fn to_i64(self) -> Option<i64> {
        let factor = 10i128.checked_pow(u32::try_from(self.exponent).ok()?)?;
        let value = i128::try_from(self.digits()).ok()?.checked_mul(factor)?;
        i64::try_from(if self.negative { -value } else { value }).ok()
    }

    /// The nearest floating-point value. For display and statistics: not exact.
    pub fn to_f64(self) -> f64 {
        let (negative, digits, exponent) = self.to_parts();
        // The standard library parses correctly rounded, and this text is always well formed.
        format!("{}{digits}e{exponent}", if negative { "-" } else { "" })
            .parse()
            .unwrap_or(f64::NAN)
    }

    /// Appends bytes that sort as the numbers do. See the module's table.
    pub fn encode_ordered(&self, out: &mut Vec<u8>) {
        if self.is_zero() {
            out.push(0x80);
            return;
        }
        let start = out.len();
        out.push(0xC0);
        // -130..=125 is exactly one byte.
        out.push((self.magnitude() - MIN_MAGNITUDE) as u8);
        let mut digits = self.digits();
        if !self.significant_digits().is_multiple_of(2) {
            digits *= 10; // at most 38 digits: an odd count leaves room
        }
        let first_pair = out.len();
        while digits > 0 {
            out.push((digits % 100) as u8 + 1);
            digits /= 100;
        }
        if let Some(pairs) = out.get_mut(first_pair..) {
            pairs.reverse();
        }
        out.push(0x00);
        if self.negative
            && let Some(bytes) = out.get_mut(start..)
        {
            bytes.iter_mut().for_each(|byte| *byte = !*byte);
        }
    }

    /// Reads a number from the start of `bytes` as [`Number::encode_ordered`] wrote it; gives it and the length
    /// read. `None` if the bytes are not exactly what that function writes.
    pub fn decode_ordered(bytes: &[u8]) -> Option<(Self, usize)> {
        let (&first, rest) = bytes.split_first()?;
        let flip = match first {
            0x80 => return Some((Self::ZERO, 1)),
            0xC0 => 0x00,
            0x3F => 0xFF,
            _ => return None,
        };
        let (&magnitude, pairs) = rest.split_first()?;
        let magnitude = i32::from(magnitude ^ flip) + MIN_MAGNITUDE;
        let (mut digits, mut count) = (0u128, 0u32);
        let mut last = 0;
        for &byte in pairs {
            let byte = byte ^ flip;
            if byte == 0 {
                break;
            }
            let pair = byte - 1;
            if pair > 99 || count == MAX_DIGITS || (count == 0 && pair < 10) {
                return None;
            }
            digits = digits * 100 + u128::from(pair);
            count += 2;
            last = pair;
        }
        let length = 2 + count as usize / 2 + 1;
        if count == 0 || last == 0 || bytes.len() < length {
            return None;
        }
        let number = Self::from_parts(flip != 0, digits, magnitude - count as i32 + 1).ok()?;
        Some((number, length))
    }
}

/// Count of decimal digits; 0 for 0. Most numbers fit 64 bits, where dividing is quick.
fn count_digits(value: u128) -> u32 {
    match u64::try_from(value) {
        Ok(0) => 0,
        Ok(value) => value.ilog10() + 1,
        Err(_) => value.ilog10() + 1,
    }
}

/// A value above 0 without its trailing zeros, and their count.
fn without_trailing_zeros(mut value: u128) -> (u128, u32) {
    let mut zeros = 0;
    while value > u128::from(u64::MAX) {
        if !value.is_multiple_of(10) {
            return (value, zeros);
        }
        value /= 10;
        zeros += 1;
    }
    let mut value = value as u64;
    while value != 0 && value.is_multiple_of(10) {
        value /= 10;
        zeros += 1;
    }
    (u128::from(value), zeros)
}

impl Default for Number {
    fn default() -> Self {
        Self::ZERO
    }
}

impl FromStr for Number {
    type Err = NumberError;

    fn from_str(text: &str) -> Result<Self, NumberError> {
        let not_numeric = || NumberError::NotNumeric(text.chars().take(128).collect());
        let (negative, unsigned) = match text.as_bytes() {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            rest => (false, rest),
        };
        let mut rest = unsigned;
        // Digits up to the last one that is not 0, their count, and the zeros seen since.
        let (mut digits, mut count, mut zeros) = (0u128, 0u32, 0i64);
        let mut exponent = 0i64;
        let (mut any, mut point, mut too_many) = (false, false, false);
        while let Some((&byte, tail)) = rest.split_first() {
            rest = tail;
            match byte {
                b'0'..=b'9' => {
                    any = true;
                    exponent -= i64::from(point);
                    if byte == b'0' {
                        zeros += i64::from(count > 0);
                        continue;
                    }
                    let grown = i64::from(count) + zeros + 1;
                    if grown > i64::from(MAX_DIGITS) {
                        // Refused in any case; which error it is depends on the magnitude, so count on.
                        too_many = true;
                        count = u32::try_from(grown).unwrap_or(u32::MAX);
                    } else {
                        // zeros + 1 <= grown <= 38, and 10^38 fits.
                        digits = digits * 10u128.pow(zeros as u32 + 1) + u128::from(byte - b'0');
                        count = grown as u32;
                    }
                    zeros = 0;
                }
                b'.' if !point => point = true,
                b'e' | b'E' if any => {
                    exponent =
                        exponent.saturating_add(parse_exponent(rest).ok_or_else(not_numeric)?);
                    break;
                }
                _ => return Err(not_numeric()),
            }
        }
        if !any {
            return Err(not_numeric());
        }
        if count == 0 {
            return Ok(Self::ZERO);
        }
        let exponent = exponent.saturating_add(zeros);
        let magnitude = exponent.saturating_add(i64::from(count) - 1);
        if magnitude > i64::from(MAX_MAGNITUDE) {
            return Err(NumberError::Overflow);
        }
        if magnitude < i64::from(MIN_MAGNITUDE) {
            return Err(NumberError::Underflow);
        }
        if too_many {
            return Err(NumberError::TooManyDigits);
        }
        Self::from_parts(negative, digits, exponent as i32)
    }
}

/// `[+-]digits`, saturating: nothing beyond a few hundred makes a difference.
fn parse_exponent(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    if digits.is_empty() {
        return None;
    }
    let mut value = 0i64;
    for byte in digits {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit < 10)?;
        value = value.saturating_mul(10).saturating_add(i64::from(digit));
    }
    Some(if negative { -value } else { value })
}

/// DynamoDB's plain form: no exponent, no leading or trailing zeros.
impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write as _;
        let (negative, digits, exponent) = self.to_parts();
        if negative {
            f.write_char('-')?;
        }
        let digits = digits.to_string();
        let zeros = |f: &mut fmt::Formatter<'_>, count: usize| {
            (0..count).try_for_each(|_| f.write_char('0'))
        };
        let Ok(after_point) = usize::try_from(-exponent) else {
            f.write_str(&digits)?;
            return zeros(f, exponent.unsigned_abs() as usize);
        };
        match digits.len().checked_sub(after_point) {
            Some(0) | None => {
                f.write_str("0.")?;
                zeros(f, after_point - digits.len())?;
                f.write_str(&digits)
            }
            Some(before_point) => {
                let (whole, fraction) = digits.split_at(before_point);
                f.write_str(whole)?;
                if fraction.is_empty() {
                    Ok(())
                } else {
                    write!(f, ".{fraction}")
                }
            }
        }
    }
}

/// Prints the count of digits, never the value.
impl fmt::Debug for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Number({} digits)", self.significant_digits())
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        let sign = |n: &Number| match (n.is_zero(), n.negative) {
            (true, _) => 0,
            (false, true) => -1,
            (false, false) => 1,
        };
        let by_sign = sign(self).cmp(&sign(other));
        if by_sign.is_ne() || self.is_zero() {
            return by_sign;
        }
        // Filled up to 38 digits, coefficients of equal magnitude compare as they are.
        let filled = |n: &Number| n.digits() * 10u128.pow(MAX_DIGITS - n.significant_digits());
        let by_size = self
            .magnitude()
            .cmp(&other.magnitude())
            .then_with(|| filled(self).cmp(&filled(other)));
        if self.negative {
            by_size.reverse()
        } else {
            by_size
        }
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

macro_rules! from_integers {
    ($($signed:ident $unsigned:ident),*) => {$(
        impl From<$signed> for Number {
            fn from(value: $signed) -> Self {
                // At most 20 digits, so that every value is within range.
                Self::from_parts(value < 0, u128::from(value.unsigned_abs()), 0).unwrap_or_default()
            }
        }
        impl From<$unsigned> for Number {
            fn from(value: $unsigned) -> Self {
                Self::from_parts(false, u128::from(value), 0).unwrap_or_default()
            }
        }
    )*};
}
from_integers!(i8 u8, i16 u16, i32 u32, i64 u64);

#[cfg(test)]
mod tests;
