//! Chance that can be repeated: runs with one seed do the same things.

/// A small generator (SplitMix64).
#[derive(Debug, Clone)]
pub struct Random(pub u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mixed(self.0)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        // The high half of the product: uniform enough, and without a division.
        u64::try_from((u128::from(self.next()) * u128::from(end)) >> 64).unwrap_or(0)
    }

    /// A number from 0 up to, but not, 1.
    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A generator of its own for somebody else.
    pub fn split(&mut self) -> Random {
        Random(self.next())
    }
}

fn mixed(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Numbers of which few are frequent: the n-th most frequent one has a share of n^-theta. As YCSB draws them (Gray and others,
/// "Quickly generating billion-record synthetic databases", 1994), and scattered, so that frequent ones are no neighbours.
#[derive(Debug, Clone)]
pub struct Zipf {
    end: u64,
    theta: f64,
    zeta: f64,
    alpha: f64,
    eta: f64,
}

impl Zipf {
    /// What YCSB takes.
    pub const THETA: f64 = 0.99;

    /// Numbers below `end`, which is at least 2. Takes a time that grows with `end`.
    pub fn new(end: u64, theta: f64) -> Self {
        let zeta = |n: u64| (1..=n).map(|i| (i as f64).powf(-theta)).sum::<f64>();
        let all = zeta(end);
        Self {
            end,
            theta,
            zeta: all,
            alpha: 1.0 / (1.0 - theta),
            eta: (1.0 - (2.0 / end as f64).powf(1.0 - theta)) / (1.0 - zeta(2) / all),
        }
    }

    /// The next number.
    pub fn draw(&self, random: &mut Random) -> u64 {
        // The first bits of the mix decide: where they fall together, two ranks share a number.
        Random(self.rank(random)).below(self.end)
    }

    fn rank(&self, random: &mut Random) -> u64 {
        let unit = random.unit();
        let share = unit * self.zeta;
        if share < 1.0 {
            return 0;
        }
        if share < 1.0 + 0.5f64.powf(self.theta) {
            return 1;
        }
        let rank = self.end as f64 * (self.eta * unit - self.eta + 1.0).powf(self.alpha);
        (rank as u64).min(self.end - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_ranks_have_their_shares() {
        let zipf = Zipf::new(1_000, Zipf::THETA);
        let mut random = Random(7);
        let mut seen = [0u32; 1_000];
        for _ in 0..100_000 {
            seen[zipf.rank(&mut random) as usize] += 1;
        }
        // 1 / zeta(1000, 0.99) = 0.1294.
        assert!((12_400..13_500).contains(&seen[0]), "{}", seen[0]);
        assert!((6_100..7_000).contains(&seen[1]), "{}", seen[1]);
        assert!(seen[999] < 100);
        assert!((0..10_000).all(|_| zipf.draw(&mut random) < 1_000));
    }
}
