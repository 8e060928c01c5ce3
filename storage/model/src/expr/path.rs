//! Document paths: an attribute and what is nested in it. Several paths together are a tree.

use std::collections::BTreeMap;
use std::fmt;

use crate::map::{Item, Map};
use crate::value::AttributeValue;

/// Most steps of a path.
pub(crate) const MAX_PATH: usize = 32;

/// Where a value stands in an item.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Path {
    /// The attribute.
    pub(crate) head: Box<str>,
    /// The way from there.
    pub(crate) rest: Vec<Part>,
}

/// One step within a value.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(test, derive(Debug))]
pub(crate) enum Part {
    /// Into a map.
    Name(Box<str>),
    /// Into a list.
    Index(usize),
}

impl Path {
    /// A whole attribute.
    pub(crate) fn attribute(name: &str) -> Self {
        Self {
            head: name.into(),
            rest: Vec::new(),
        }
    }

    /// The value there, if there is one.
    pub(crate) fn get<'i>(&self, item: &'i Item) -> Option<&'i AttributeValue> {
        self.follow(&self.rest, item)
    }

    /// The value in which the last step goes, if there is one.
    pub(crate) fn parent<'i>(&self, item: &'i Item) -> Option<&'i AttributeValue> {
        let (_, way) = self.rest.split_last()?;
        self.follow(way, item)
    }

    fn follow<'i>(&self, way: &[Part], item: &'i Item) -> Option<&'i AttributeValue> {
        way.iter()
            .try_fold(item.get(&self.head)?, |value, part| match (part, value) {
                (Part::Name(name), AttributeValue::M(map)) => map.get(name),
                (Part::Index(index), AttributeValue::L(list)) => list.get(*index),
                _ => None,
            })
    }

    fn clash(&self, other: &Path) -> Option<Clash> {
        if self.head != other.head {
            return None;
        }
        for (a, b) in self.rest.iter().zip(&other.rest) {
            match (a, b) {
                (Part::Name(_), Part::Index(_)) | (Part::Index(_), Part::Name(_)) => {
                    return Some(Clash::Conflict);
                }
                (a, b) if a != b => return None,
                _ => {}
            }
        }
        Some(Clash::Overlap)
    }
}

/// As AWS's messages show it: `[a, b, [1]]`.
impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}", self.head)?;
        for part in &self.rest {
            match part {
                Part::Name(name) => write!(f, ", {name}")?,
                Part::Index(index) => write!(f, ", [{index}]")?,
            }
        }
        f.write_str("]")
    }
}

/// Count of steps: names are data.
impl fmt::Debug for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Path({} steps)", 1 + self.rest.len())
    }
}

/// Two paths that cannot stand together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Clash {
    /// One is within the other, or they are the same.
    Overlap,
    /// One goes into a map where the other goes into a list.
    Conflict,
}

/// Paths of which none lies within another.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct PathTree {
    heads: BTreeMap<Box<str>, Node>,
}

/// What is wanted of a value.
#[derive(Clone, PartialEq, Eq)]
enum Node {
    /// All of it.
    Whole,
    /// Entries of a map.
    Names(BTreeMap<Box<str>, Node>),
    /// Elements of a list.
    Indexes(BTreeMap<usize, Node>),
}

impl PathTree {
    /// The tree of these paths.
    ///
    /// # Errors
    /// AWS's message for two paths that clash: for the first that overlap, else for the first that conflict.
    pub(crate) fn new<'p>(paths: impl Iterator<Item = &'p Path> + Clone) -> Result<Self, String> {
        let mut tree = Self::default();
        for path in paths.clone() {
            let fits = match tree.heads.get_mut(&path.head) {
                Some(node) => node.insert(&path.rest),
                None => {
                    tree.heads.insert(path.head.clone(), Node::of(&path.rest));
                    true
                }
            };
            if !fits {
                return Err(clash(&paths.collect::<Vec<_>>()));
            }
        }
        Ok(tree)
    }

    /// What an item has of the paths. Elements of lists keep their order and close their ranks.
    pub(crate) fn project(&self, item: &Item) -> Item {
        project_names(&self.heads, item).unwrap_or_default()
    }

    /// The attributes that the paths begin with.
    pub(crate) fn heads(&self) -> impl Iterator<Item = &str> {
        self.heads.keys().map(|name| &**name)
    }

    /// Those of the attributes of which not the whole is meant.
    pub(crate) fn nested_heads(&self) -> impl Iterator<Item = &str> {
        self.heads
            .iter()
            .filter(|(_, node)| **node != Node::Whole)
            .map(|(name, _)| &**name)
    }
}

/// What is wrong with paths of which two clash.
fn clash(paths: &[&Path]) -> String {
    let pairs = |wanted: Clash| {
        paths.iter().enumerate().find_map(|(at, path)| {
            let mut earlier = paths.iter().take(at);
            let other = earlier.find(|other| other.clash(path) == Some(wanted))?;
            Some((other, path))
        })
    };
    let found = pairs(Clash::Overlap)
        .map(|pair| ("overlap", pair))
        .or_else(|| pairs(Clash::Conflict).map(|pair| ("conflict", pair)));
    let Some((verb, (one, two))) = found else {
        // Not reached: the tree refuses just those that clash.
        return "Two document paths overlap with each other".to_owned();
    };
    format!(
        "Two document paths {verb} with each other; must remove or rewrite one of these paths; path one: {one}, path \
         two: {two}"
    )
}

impl Node {
    fn of(parts: &[Part]) -> Self {
        match parts.split_first() {
            None => Node::Whole,
            Some((Part::Name(name), rest)) => {
                Node::Names(BTreeMap::from([(name.clone(), Node::of(rest))]))
            }
            Some((Part::Index(index), rest)) => {
                Node::Indexes(BTreeMap::from([(*index, Node::of(rest))]))
            }
        }
    }

    /// Adds a path; says whether it fits.
    fn insert(&mut self, parts: &[Part]) -> bool {
        match (self, parts.split_first()) {
            (Node::Names(names), Some((Part::Name(name), rest))) => match names.get_mut(name) {
                Some(node) => node.insert(rest),
                None => names.insert(name.clone(), Node::of(rest)).is_none(),
            },
            (Node::Indexes(indexes), Some((Part::Index(index), rest))) => {
                match indexes.get_mut(index) {
                    Some(node) => node.insert(rest),
                    None => indexes.insert(*index, Node::of(rest)).is_none(),
                }
            }
            _ => false,
        }
    }

    fn project(&self, value: &AttributeValue) -> Option<AttributeValue> {
        match (self, value) {
            (Node::Whole, value) => Some(value.clone()),
            (Node::Names(names), AttributeValue::M(map)) => {
                project_names(names, map).map(AttributeValue::M)
            }
            (Node::Indexes(indexes), AttributeValue::L(list)) => {
                let found: Vec<_> = indexes
                    .iter()
                    .filter_map(|(index, node)| node.project(list.get(*index)?))
                    .collect();
                (!found.is_empty()).then_some(AttributeValue::L(found))
            }
            _ => None,
        }
    }
}

fn project_names(names: &BTreeMap<Box<str>, Node>, map: &Map) -> Option<Map> {
    let found: Map = names
        .iter()
        .filter_map(|(name, node)| Some((&**name, node.project(map.get(name)?)?)))
        .collect();
    (!found.is_empty()).then_some(found)
}

/// Count of attributes.
impl fmt::Debug for PathTree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PathTree({} attributes)", self.heads.len())
    }
}
