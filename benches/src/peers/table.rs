//! What came out of a comparison with others: quantities of each engine over the rounds.

use crate::rows::{Unit, median};

/// All engines of a comparison, and what was measured of them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Peers {
    /// In the order of the columns. The first two are ours, sealed and plain.
    pub engines: Vec<Engine>,
    /// One for each quantity.
    pub rows: Vec<PeerRow>,
}

/// One engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Engine {
    /// Its name. What begins with "sealdb" is ours.
    pub name: String,
    /// Version and settings, by its own account.
    pub about: String,
}

/// One quantity of each engine.
#[derive(Debug, Clone, PartialEq)]
pub struct PeerRow {
    /// What it is.
    pub what: String,
    /// Of the values.
    pub unit: Unit,
    /// A value a round for each engine, in the order of the columns.
    pub rounds: Vec<Vec<f64>>,
}

impl Peers {
    /// Adds a value of an engine.
    pub fn push(&mut self, what: &str, unit: Unit, engine: usize, value: f64) {
        let engines = self.engines.len();
        let at = self.rows.iter().position(|row| row.what == what);
        let at = at.unwrap_or_else(|| {
            self.rows.push(PeerRow {
                what: what.to_owned(),
                unit,
                rounds: vec![Vec::new(); engines],
            });
            self.rows.len() - 1
        });
        if let Some(rounds) = self.rows[at].rounds.get_mut(engine) {
            rounds.push(value);
        }
    }

    /// The row of a quantity.
    pub fn row(&self, what: &str) -> Option<&PeerRow> {
        self.rows.iter().find(|row| row.what == what)
    }

    /// The column of an engine.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.engines.iter().position(|engine| engine.name == name)
    }
}

impl PeerRow {
    /// The median over rounds of each engine; NaN where there is none.
    pub fn medians(&self) -> Vec<f64> {
        self.rounds.iter().map(|values| median(values)).collect()
    }
}
