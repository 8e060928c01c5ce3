//! What a database has to do to be measured.

use sealdb_model::Item;

use crate::Failure;

/// An open database with a table of items, empty at first.
///
/// What is put is durable when the call returns: it survives the loss of power.
pub trait Peer {
    /// Name, version and settings, in few words.
    fn about(&self) -> String;

    /// What one client works through: a connection, if the database has such a thing. It is kept as long as the process, so that a
    /// connection's own cache stays warm.
    ///
    /// # Errors
    /// Those of the database.
    fn client(&self) -> Result<Box<dyn Client>, Failure>;

    /// Puts some items, with their numbers, in whatever groups suit the database.
    ///
    /// # Errors
    /// Those of the database.
    fn load(&self, items: Vec<(u64, Item)>) -> Result<(), Failure>;

    /// Reads and decodes all items once, and tells how many there are.
    ///
    /// # Errors
    /// Those of the database and of the codec.
    fn scan(&self) -> Result<u64, Failure>;

    /// Moves what the log holds to where it belongs, and gives back what is not needed.
    ///
    /// # Errors
    /// Those of the database.
    fn settle(&self) -> Result<(), Failure>;

    /// Whether a file of this name is its log.
    fn is_log(&self, file: &str) -> bool;
}

/// One client of a database. It waits for each answer.
pub trait Client: Send {
    /// The newest version of the item of this number, decoded to an item that owns its values.
    ///
    /// # Errors
    /// Those of the database and of the codec.
    fn get(&mut self, number: u64) -> Result<Option<Item>, Failure>;

    /// Puts an item in place of that of its number, whose value is read as a write with a condition or an index needs it.
    ///
    /// # Errors
    /// Those of the database and of the codec.
    fn put(&mut self, number: u64, item: Item) -> Result<(), Failure>;
}
