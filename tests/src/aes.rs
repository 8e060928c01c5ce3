//! The key schedule of AES-256 (FIPS 197, 5.2), to look for it in memory.

/// The 15 round keys one after the other. The first two are the key itself.
pub fn expand(key: &[u8; 32]) -> [u8; 240] {
    let mut schedule = [0; 240];
    schedule[..32].copy_from_slice(key);
    let mut constant = 1;
    for at in (32..240).step_by(4) {
        let mut word = [0; 4];
        word.copy_from_slice(&schedule[at - 4..at]);
        if at % 32 == 0 {
            word.rotate_left(1);
            word = word.map(substitute);
            word[0] ^= constant;
            constant = double(constant);
        } else if at % 32 == 16 {
            word = word.map(substitute);
        }
        for (i, byte) in word.into_iter().enumerate() {
            schedule[at + i] = schedule[at - 32 + i] ^ byte;
        }
    }
    schedule
}

/// Multiplies by x in GF(2^8).
fn double(a: u8) -> u8 {
    (a << 1) ^ if a & 0x80 != 0 { 0x1b } else { 0 }
}

fn multiply(a: u8, b: u8) -> u8 {
    (0..8).rev().fold(0, |product, bit| {
        double(product) ^ if b >> bit & 1 != 0 { a } else { 0 }
    })
}

/// The S-box: the inverse, then an affine map.
fn substitute(byte: u8) -> u8 {
    // a^254 is 1/a, and 0 for 0.
    let inverse = (0..254).fold(1, |power, _| multiply(power, byte));
    let rotated = (1..5).map(|n| inverse.rotate_left(n));
    rotated.fold(inverse, |sum, term| sum ^ term) ^ 0x63
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_schedule_of_the_standards_example() {
        // FIPS 197, A.3.
        let key = [
            0x60, 0x3d, 0xeb, 0x10, 0x15, 0xca, 0x71, 0xbe, 0x2b, 0x73, 0xae, 0xf0, 0x85, 0x7d,
            0x77, 0x81, 0x1f, 0x35, 0x2c, 0x07, 0x3b, 0x61, 0x08, 0xd7, 0x2d, 0x98, 0x10, 0xa3,
            0x09, 0x14, 0xdf, 0xf4,
        ];
        let schedule = expand(&key);
        assert_eq!(schedule[32..36], [0x9b, 0xa3, 0x54, 0x11]);
        assert_eq!(schedule[236..], [0x70, 0x6c, 0x63, 0x1e]);
    }
}
