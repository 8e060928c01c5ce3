//! Sizes of items, by AWS's rules: the names of attributes count.

use std::fmt;
use std::str::FromStr;

use crate::random::Random;

/// How large the items of a store are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ItemSize {
    /// All of so many bytes.
    Fixed(usize),
    /// From [`SMALLEST`] to [`LARGEST`] bytes: each doubling as frequent as another. An item's size comes from its number.
    LogUniform,
}

/// Of log-uniform sizes.
pub const SMALLEST: usize = 100;
/// Of log-uniform sizes.
pub const LARGEST: usize = 64 << 10;

impl ItemSize {
    /// Bytes of the item of this number.
    pub fn of(self, number: u64) -> usize {
        match self {
            ItemSize::Fixed(bytes) => bytes,
            ItemSize::LogUniform => {
                let ratio = LARGEST as f64 / SMALLEST as f64;
                (SMALLEST as f64 * ratio.powf(Random(number).unit())) as usize
            }
        }
    }

    /// What [`FromStr`] reads it from.
    pub fn word(self) -> String {
        match self {
            ItemSize::Fixed(bytes) => bytes.to_string(),
            ItemSize::LogUniform => "log".to_owned(),
        }
    }

    /// Bytes of an item in the long run.
    pub fn mean(self) -> f64 {
        match self {
            ItemSize::Fixed(bytes) => bytes as f64,
            ItemSize::LogUniform => {
                let (low, high) = (SMALLEST as f64, LARGEST as f64);
                (high - low) / (high / low).ln()
            }
        }
    }
}

impl fmt::Display for ItemSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ItemSize::Fixed(bytes) if *bytes >= 1024 && bytes % 1024 == 0 => {
                write!(f, "{} KB", bytes / 1024)
            }
            ItemSize::Fixed(bytes) => write!(f, "{bytes} B"),
            ItemSize::LogUniform => f.write_str("100 B to 64 KB, log-uniform"),
        }
    }
}

impl FromStr for ItemSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "log" {
            return Ok(ItemSize::LogUniform);
        }
        match text.parse() {
            Ok(bytes) if (20..=390_000).contains(&bytes) => Ok(ItemSize::Fixed(bytes)),
            _ => Err("neither a number of bytes from 20 to 390000 nor \"log\"".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_uniform_sizes_are_within_their_bounds_and_have_their_mean() {
        let sizes: Vec<usize> = (0..20_000).map(|n| ItemSize::LogUniform.of(n)).collect();
        assert!(sizes.iter().all(|size| (SMALLEST..=LARGEST).contains(size)));
        let mean = sizes.iter().sum::<usize>() as f64 / sizes.len() as f64;
        let expected = ItemSize::LogUniform.mean();
        assert!((mean / expected - 1.0).abs() < 0.03, "{mean} {expected}");
        let small = sizes.iter().filter(|size| **size < 2_560).count();
        assert!((9_700..10_300).contains(&small), "half below the middle");
    }

    #[test]
    fn names_and_texts() {
        assert_eq!("log".parse(), Ok(ItemSize::LogUniform));
        assert_eq!("16384".parse(), Ok(ItemSize::Fixed(16 << 10)));
        assert_eq!(ItemSize::Fixed(16 << 10).to_string(), "16 KB");
        assert_eq!(ItemSize::Fixed(100).to_string(), "100 B");
        assert!("1e9".parse::<ItemSize>().is_err());
    }
}
