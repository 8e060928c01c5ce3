//! The lines between `sealdb-bench` and a process that it measures.
//!
//! A command is one line on the process's standard input; for each there is one line of JSON on its standard output. The process
//! ends when its input does. Its standard error is for people.
//!
//! | command | what the process does |
//! |---|---|
//! | `open CACHE SIZE DIR` | makes an empty database in the empty directory DIR, with CACHE bytes of memory for its cache, for items of SIZE bytes (or `log`); always the first, and only once |
//! | `load ITEMS` | puts the items that it lacks of the first ITEMS (a multiple of 100), in an order that knows nothing of keys |
//! | `get CLIENTS SECONDS` | gets of random items by so many clients at once, a thread each |
//! | `put CLIENTS SECONDS` | the same with durable puts in place of random items |
//! | `scan` | reads all items once |
//! | `settle` | moves what the log holds to where it belongs |
//!
//! | answer | to what |
//! |---|---|
//! | `{"about": TEXT}` | `open`: name, version and settings of the database |
//! | `{"count": …, …}` | all others: [`Outcome`] |
//! | `{"error": TEXT}` | a command that failed or that there is not; the process ends then |
//!
//! Every get decodes what it found and fails where it finds nothing; every put reads the value that it replaces; every put and load is
//! durable before it is counted.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::size::ItemSize;

/// How a database is opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening {
    /// Memory for its cache.
    pub cache_bytes: usize,
    /// Of the items that it will hold.
    pub size: ItemSize,
    /// An empty directory, for everything that it writes.
    pub dir: PathBuf,
}

/// One line to the process.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// `open`
    Open(Opening),
    /// `load`: so many items in all.
    Load(u64),
    /// `get`
    Get(Clients),
    /// `put`
    Put(Clients),
    /// `scan`
    Scan,
    /// `settle`
    Settle,
}

/// Who works, and for how long.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Clients {
    /// At once, each waiting for its answer.
    pub count: usize,
    /// So long.
    pub seconds: f64,
}

/// One line from the process.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Answer {
    /// It cannot.
    Failed {
        /// Why.
        error: String,
    },
    /// The database is open.
    Opened {
        /// Name, version and settings.
        about: String,
    },
    /// The command is done.
    Done(Outcome),
}

/// What a command did. Times of calls are in nanoseconds and 0 where the command is one call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Outcome {
    /// Items that were loaded, got, put or seen.
    pub count: u64,
    /// From the first call's begin to the last one's end.
    pub seconds: f64,
    pub p50: u64,
    pub p99: u64,
    #[serde(rename = "p99.9")]
    pub p999: u64,
    pub max: u64,
    /// Bytes of the device that all files take afterwards.
    pub disk: u64,
    /// Of these, the files that are the log.
    pub log: u64,
    /// Bytes that the process gave the system to write meanwhile, to whatever file.
    pub written: u64,
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut clients = |name, Clients { count, seconds }| write!(f, "{name} {count} {seconds}");
        match self {
            Command::Get(of) => clients("get", *of),
            Command::Put(of) => clients("put", *of),
            Command::Open(Opening {
                cache_bytes,
                size,
                dir,
            }) => write!(f, "open {cache_bytes} {} {}", size.word(), dir.display()),
            Command::Load(items) => write!(f, "load {items}"),
            Command::Scan => f.write_str("scan"),
            Command::Settle => f.write_str("settle"),
        }
    }
}

impl FromStr for Command {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let mut words = line.splitn(4, ' ');
        let mut word = || words.next().unwrap_or_default();
        let command = match word() {
            "open" => Command::Open(Opening {
                cache_bytes: number(word())?,
                size: word().parse()?,
                dir: word().into(),
            }),
            "load" => Command::Load(number(word())?),
            "get" => Command::Get(Clients::parse(word(), word())?),
            "put" => Command::Put(Clients::parse(word(), word())?),
            "scan" => Command::Scan,
            "settle" => Command::Settle,
            _ => return Err(format!("there is no command \"{line}\"")),
        };
        match words.next() {
            None => Ok(command),
            Some(rest) => Err(format!("\"{rest}\" is too much in \"{line}\"")),
        }
    }
}

/// By hand: what serde derives for untagged variants reads no number where some crate has turned on serde_json's
/// `arbitrary_precision`.
impl FromStr for Answer {
    type Err = serde_json::Error;

    fn from_str(line: &str) -> Result<Self, serde_json::Error> {
        let value: serde_json::Value = serde_json::from_str(line)?;
        let text = |name| value.get(name)?.as_str().map(str::to_owned);
        Ok(match (text("error"), text("about")) {
            (Some(error), _) => Answer::Failed { error },
            (None, Some(about)) => Answer::Opened { about },
            (None, None) => Answer::Done(serde_json::from_value(value)?),
        })
    }
}

impl Clients {
    fn parse(count: &str, seconds: &str) -> Result<Self, String> {
        let (count, seconds) = (number(count)?, number(seconds)?);
        match count > 0 && (0.0..1e5).contains(&seconds) {
            true => Ok(Self { count, seconds }),
            false => Err(format!("{count} clients for {seconds} seconds")),
        }
    }
}

fn number<T: FromStr>(word: &str) -> Result<T, String> {
    word.parse()
        .map_err(|_| format!("\"{word}\" is not the number that it has to be"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn commands_are_the_documented_lines() {
        let open = |size| {
            Command::Open(Opening {
                cache_bytes: 1 << 20,
                size,
                dir: "/a dir/of mine".into(),
            })
        };
        let clients = Clients {
            count: 32,
            seconds: 0.25,
        };
        for (command, line) in [
            (
                open(ItemSize::Fixed(1024)),
                "open 1048576 1024 /a dir/of mine",
            ),
            (
                open(ItemSize::LogUniform),
                "open 1048576 log /a dir/of mine",
            ),
            (Command::Load(200), "load 200"),
            (Command::Get(clients), "get 32 0.25"),
            (Command::Put(clients), "put 32 0.25"),
            (Command::Scan, "scan"),
            (Command::Settle, "settle"),
        ] {
            assert_eq!(command.to_string(), line);
            assert_eq!(line.parse(), Ok(command));
        }
        for line in [
            "",
            "gets 1 1",
            "get",
            "get 0 1",
            "get 1 NaN",
            "scan 1",
            "load -1",
        ] {
            assert!(line.parse::<Command>().is_err(), "{line}");
        }
    }

    #[test]
    fn answers_are_the_documented_lines() {
        let outcome = Outcome {
            count: 3,
            seconds: 0.5,
            p50: 1,
            p99: 2,
            p999: 3,
            max: 4,
            disk: 5,
            log: 6,
            written: 7,
        };
        for (answer, line) in [
            (
                Answer::Done(outcome),
                r#"{"count":3,"seconds":0.5,"p50":1,"p99":2,"p99.9":3,"max":4,"disk":5,"log":6,"written":7}"#,
            ),
            (
                Answer::Opened {
                    about: "a 1.0".into(),
                },
                r#"{"about":"a 1.0"}"#,
            ),
            (Answer::Failed { error: "no".into() }, r#"{"error":"no"}"#),
        ] {
            assert_eq!(serde_json::to_string(&answer).unwrap(), line);
            assert_eq!(line.parse::<Answer>().unwrap(), answer);
        }
        assert!(r#"{"count":3}"#.parse::<Answer>().is_err());
    }
}
