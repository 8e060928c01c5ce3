//! Sums and differences, exact: a result of more than 38 digits is refused, never rounded.

use super::{MAX_DIGITS, MAX_MAGNITUDE, Number, NumberError};

/// 10^20, the base of [`Wide`].
const BASE: u128 = 10u128.pow(20);

/// An integer below 10^40, as two digits in base 10^20: 39 digits of decimal do not all fit in 128 bits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Wide {
    high: u128,
    low: u128,
}

impl Wide {
    /// `digits` × 10^`shift`, which has at most 39 digits.
    fn shifted(digits: u128, shift: u32) -> Self {
        match shift {
            0..=20 => {
                let split = 10u128.pow(20 - shift);
                Self {
                    high: digits / split,
                    low: digits % split * 10u128.pow(shift),
                }
            }
            _ => Self {
                high: digits * 10u128.pow(shift - 20),
                low: 0,
            },
        }
    }

    fn plus(self, other: Self) -> Self {
        let low = self.low + other.low;
        Self {
            high: self.high + other.high + low / BASE,
            low: low % BASE,
        }
    }

    /// `self` - `other`, which is not above it.
    fn minus(self, other: Self) -> Self {
        let borrow = u128::from(self.low < other.low);
        Self {
            high: self.high - other.high - borrow,
            low: self.low + borrow * BASE - other.low,
        }
    }

    /// The value, if 128 bits hold it.
    fn value(self) -> Option<u128> {
        self.high.checked_mul(BASE)?.checked_add(self.low)
    }
}

impl Number {
    /// The sum, exact.
    ///
    /// # Errors
    /// [`NumberError`] if a number cannot hold it.
    pub fn checked_add(self, other: Self) -> Result<Self, NumberError> {
        if self.is_zero() {
            return Ok(other);
        }
        if other.is_zero() {
            return Ok(self);
        }
        let (a_negative, a, a_exponent) = self.to_parts();
        let (b_negative, b, b_exponent) = other.to_parts();
        let exponent = a_exponent.min(b_exponent);
        // Digits from the highest of both to the lowest of both. The lowest stays as it is, unless both end at the same place, and
        // the highest falls by one place at most: with more than 39 the result has more than 38 digits.
        let magnitude = self.magnitude().max(other.magnitude());
        if magnitude - exponent >= 39 {
            return Err(NumberError::TooManyDigits);
        }
        let shift = |from: i32| (from - exponent).unsigned_abs();
        let a = Wide::shifted(a, shift(a_exponent));
        let b = Wide::shifted(b, shift(b_exponent));
        let (negative, sum) = if a_negative == b_negative {
            (a_negative, a.plus(b))
        } else if a >= b {
            (a_negative, a.minus(b))
        } else {
            (b_negative, b.minus(a))
        };
        match sum.value() {
            Some(digits) => Self::from_parts(negative, digits, exponent),
            // Beyond 3.4 × 10^38 no digit is a trailing zero: such a span comes from exponents that differ.
            None if exponent + MAX_DIGITS as i32 > MAX_MAGNITUDE => Err(NumberError::Overflow),
            None => Err(NumberError::TooManyDigits),
        }
    }

    /// The difference, exact.
    ///
    /// # Errors
    /// [`NumberError`] if a number cannot hold it.
    pub fn checked_sub(self, other: Self) -> Result<Self, NumberError> {
        self.checked_add(other.negated())
    }

    fn negated(mut self) -> Self {
        self.negative = !self.negative && !self.is_zero();
        self
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;
    use crate::generate::number;

    fn n(text: &str) -> Number {
        text.parse().unwrap()
    }

    #[test]
    fn sums_are_exact_or_refused() {
        let nines = "9".repeat(38);
        for (a, b, sum) in [
            ("1", "2", Ok("3")),
            ("0.1", "0.2", Ok("0.3")),
            ("-5", "5", Ok("0")),
            ("5", "-7.5", Ok("-2.5")),
            ("1e37", "1", Ok("10000000000000000000000000000000000001")),
            ("1e38", "-1", Ok(nines.as_str())),
            ("1e38", "1", Err(NumberError::TooManyDigits)),
            ("1e125", "1e-130", Err(NumberError::TooManyDigits)),
            ("9.9e125", "1e124", Err(NumberError::Overflow)),
            ("-9.9e125", "-1e125", Err(NumberError::Overflow)),
            ("1.1e-130", "-1e-130", Err(NumberError::Underflow)),
            (&nines, "1", Ok("100000000000000000000000000000000000000")),
            (&nines, &nines, Err(NumberError::TooManyDigits)),
            (&nines, "0.1", Err(NumberError::TooManyDigits)),
            ("1e38", "-0.1", Err(NumberError::TooManyDigits)),
        ] {
            let expected = sum.map(|text: &str| text.to_owned());
            let shown = |sum: Result<Number, NumberError>| sum.map(|sum| sum.to_string());
            assert_eq!(shown(n(a).checked_add(n(b))), expected, "{a} + {b}");
            assert_eq!(shown(n(b).checked_add(n(a))), expected, "{b} + {a}");
        }
    }

    /// Digits as text, column by column: slow and plain.
    fn model(a: Number, b: Number) -> Option<Number> {
        let exponent = a.to_parts().2.min(b.to_parts().2);
        let digits = |number: Number| -> (bool, Vec<u8>) {
            let (negative, digits, from) = number.to_parts();
            let zeros = if digits == 0 {
                0
            } else {
                (from - exponent) as usize
            };
            let text = format!("{digits}{}", "0".repeat(zeros));
            (
                negative,
                text.bytes().rev().map(|byte| byte - b'0').collect(),
            )
        };
        let ((a_negative, a), (b_negative, b)) = (digits(a), digits(b));
        let signed = |negative: bool, digits: &[u8], at: usize| {
            let digit = i32::from(digits.get(at).copied().unwrap_or(0));
            if negative { -digit } else { digit }
        };
        let length = a.len().max(b.len()) + 1;
        let column = |at| signed(a_negative, &a, at) + signed(b_negative, &b, at);
        // The sign of the highest column that is not zero after carrying is that of the sum; try both.
        [false, true].into_iter().find_map(|negative| {
            let mut carry = 0;
            let mut result = String::new();
            for at in 0..length {
                let value = if negative { -column(at) } else { column(at) } + carry;
                carry = value.div_euclid(10);
                result.insert(0, char::from(b'0' + value.rem_euclid(10) as u8));
            }
            let sign = if negative { "-" } else { "" };
            (carry == 0).then(|| format!("{sign}{result}e{exponent}").parse().ok())
        })?
    }

    proptest! {
        #[test]
        fn sums_are_those_of_columns(a in number(), b in number()) {
            prop_assert_eq!(a.checked_add(b).ok(), model(a, b));
            prop_assert_eq!(a.checked_add(b), b.checked_add(a));
        }

        #[test]
        fn what_was_added_can_be_taken_away(a in any::<i64>(), b in any::<i64>(), places in 0..30i32) {
            let scaled = |value: i64| {
                Number::from_parts(value < 0, value.unsigned_abs().into(), -places).unwrap()
            };
            let (a, b) = (scaled(a), scaled(b));
            prop_assert_eq!(a.checked_add(b).unwrap().checked_sub(b), Ok(a));
            prop_assert_eq!(a.checked_sub(a), Ok(Number::ZERO));
        }
    }
}
