//! The decisions of a history, printed for whoever replays it, or kept to be compared.

use std::cell::RefCell;

pub enum Trace {
    Off,
    Print,
    Keep(RefCell<Vec<String>>),
}

impl Trace {
    pub fn printing(print: bool) -> Self {
        if print { Trace::Print } else { Trace::Off }
    }

    pub fn keeping() -> Self {
        Trace::Keep(RefCell::default())
    }

    pub fn note(&self, what: impl FnOnce() -> String) {
        match self {
            Trace::Off => {}
            Trace::Print => println!("{}", what()),
            Trace::Keep(lines) => lines.borrow_mut().push(what()),
        }
    }

    /// What was kept.
    pub fn lines(&self) -> Vec<String> {
        match self {
            Trace::Keep(lines) => lines.take(),
            _ => Vec::new(),
        }
    }
}
