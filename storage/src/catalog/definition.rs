//! Bytes of a table's definition: what can be changed about it beside its items.
//!
//! | bytes | what |
//! |---|---|
//! | 1 + 8 | billing: 0 provisioned, 1 on demand; since when it was last on demand, milliseconds since 1970, 0 if it never was |
//! | throughput | what it is to be able to take |
//! | 1 | table class: 0 none was asked for, 1 standard, 2 infrequent access |
//! | 1 | 1 if it is protected from deletion |
//! | 1 + 8 | 1 if it is being deleted; since when, milliseconds since 1970 |
//! | 2, then 2 + n, 2 + n each | count of tags; their keys and values |
//! | 4 | the id of the next new tree |
//! | tree | the items |
//! | 2, trees | count of the derived trees; they |
//!
//! A tree:
//!
//! | bytes | what |
//! |---|---|
//! | 4 | tree id |
//! | 8 | space |
//! | 1 | 1 if it is being removed |
//! | 1 | what it holds: 0 the items, 1 a local index, 2 a global index, 3 times of expiry, 4 records of a stream |
//! | index | of an index |
//! | 2 + n | of times of expiry: the attribute |
//! | stream | of a stream |
//!
//! An index:
//!
//! | bytes | what |
//! |---|---|
//! | 2 + n | name |
//! | 1, attributes | count of its partition attributes; they |
//! | 1, attributes | count of its sort attributes; they |
//! | 1 | projection: 0 keys only, 1 all, 2 what is named |
//! | 2, then 2 + n each | count of the names; they. Only for projection 2 |
//! | throughput | what it is to be able to take |
//!
//! Throughput, read before write:
//!
//! | bytes | what |
//! |---|---|
//! | 8 + 8 | capacity units |
//! | 8 + 8 | the most on demand; 0 if there is no limit |
//! | 8 + 8 | what is to be ready; 0 if nothing was asked for |
//!
//! A stream:
//!
//! | bytes | what |
//! |---|---|
//! | 1 | what its records show: 0 keys, 1 the new item, 2 the old one, 3 both |
//! | 8 | when it was enabled, milliseconds since 1970 |
//! | 8 | its records are of groups after this sequence |
//! | 1 + 8 | 1 if it is disabled; since when, milliseconds since 1970 |
//!
//! An attribute is its name (2 + n) and its type (`S`, `N`, `B`).

#![deny(clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::sync::Arc;

use sealdb_crypto::TreeId;
use sealdb_engine::SpaceId;
use sealdb_model::ops::{
    BillingMode, BillingModeSummary, OnDemandThroughput, ProvisionedThroughput, StreamViewType,
    TableClass, Throughput, WarmThroughput,
};
use sealdb_model::{
    AttributeName, IndexKey, IndexKind, IndexName, IndexProjection, IndexSchema, KeyAttribute,
    ScalarType,
};

use crate::stream::StreamDef;
use crate::trees::{Role, TreeDef};
use crate::wire::{Malformed, Reader, Write};

/// How a table was asked to be billed: kept and told, nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Billing {
    pub(crate) mode: BillingMode,
    /// When it last became PAY_PER_REQUEST, in milliseconds since 1970; 0: never.
    pub(crate) on_demand_since: u64,
    pub(crate) throughput: Throughput,
}

impl Billing {
    /// Billing that begins now.
    pub(crate) fn new(mode: BillingMode, throughput: Throughput, now_ms: u64) -> Self {
        Billing {
            mode,
            on_demand_since: match mode {
                BillingMode::PayPerRequest => now_ms,
                BillingMode::Provisioned => 0,
            },
            throughput,
        }
    }

    /// Another billing from now on.
    pub(crate) fn changed(self, mode: BillingMode, throughput: Throughput, now_ms: u64) -> Self {
        Billing {
            on_demand_since: match (self.mode, mode) {
                (BillingMode::Provisioned, BillingMode::PayPerRequest) => now_ms,
                _ => self.on_demand_since,
            },
            mode,
            throughput,
        }
    }

    pub(crate) fn summary(&self) -> BillingModeSummary {
        let mut summary = BillingModeSummary::new(self.mode);
        summary.last_update_to_pay_per_request_date_time =
            (self.on_demand_since > 0).then_some(self.on_demand_since);
        summary
    }
}

/// What can be changed about a table beside its items.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Definition {
    pub(crate) billing: Billing,
    pub(crate) class: Option<TableClass>,
    /// DeleteTable is refused.
    pub(crate) protected: bool,
    /// It is being deleted, since this time in milliseconds since 1970.
    pub(crate) deleting: Option<u64>,
    pub(crate) tags: BTreeMap<String, String>,
    /// The id of the next new tree.
    pub(crate) next_tree: u32,
    /// The tree of the items.
    pub(crate) items: Arc<TreeDef>,
    /// The other trees, in the order in which they were made.
    pub(crate) derived: Vec<Arc<TreeDef>>,
}

impl Definition {
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.put_u8(u8::from(self.billing.mode == BillingMode::PayPerRequest));
        out.put_u64(self.billing.on_demand_since);
        put_throughput(out, &self.billing.throughput);
        out.put_u8(match self.class {
            None => 0,
            Some(TableClass::Standard) => 1,
            Some(TableClass::StandardInfrequentAccess) => 2,
        });
        out.put_u8(u8::from(self.protected));
        put_since(out, self.deleting);
        out.put_u16(u16::try_from(self.tags.len()).expect("a table has at most 50 tags"));
        for (key, value) in &self.tags {
            out.put_short_bytes(key.as_bytes());
            out.put_short_bytes(value.as_bytes());
        }
        out.put_u32(self.next_tree);
        put_tree(out, &self.items);
        out.put_u16(u16::try_from(self.derived.len()).expect("a table has few trees"));
        for tree in &self.derived {
            put_tree(out, tree);
        }
    }

    pub(super) fn decode(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Definition {
            billing: Billing {
                mode: match flag(r, "billing")? {
                    true => BillingMode::PayPerRequest,
                    false => BillingMode::Provisioned,
                },
                on_demand_since: r.u64("time of billing")?,
                throughput: read_throughput(r)?,
            },
            class: match r.u8("table class")? {
                0 => None,
                1 => Some(TableClass::Standard),
                2 => Some(TableClass::StandardInfrequentAccess),
                _ => return Err(Malformed("table class")),
            },
            protected: flag(r, "protection")?,
            deleting: read_since(r, "time of deletion")?,
            tags: read_tags(r)?,
            next_tree: r.u32("next tree")?,
            items: read_tree(r)?,
            derived: {
                let count = r.u16("count of trees")?;
                let trees = (0..count).map(|_| read_tree(r));
                trees.collect::<Result<_, _>>()?
            },
        })
    }

    /// All trees, the items first.
    pub(crate) fn trees(&self) -> impl Iterator<Item = &Arc<TreeDef>> {
        std::iter::once(&self.items).chain(&self.derived)
    }

    /// The spaces of all trees.
    pub(crate) fn spaces(&self) -> impl Iterator<Item = SpaceId> {
        self.trees().map(|tree| tree.space)
    }

    /// The spaces of the trees that another definition of the table has no more.
    pub(crate) fn gone_in(&self, other: &Definition) -> Vec<SpaceId> {
        let gone = |space: &SpaceId| other.spaces().all(|kept| kept != *space);
        self.spaces().filter(gone).collect()
    }

    /// Adds a tree for a role, in a space of its own.
    pub(crate) fn add_tree(&mut self, space: SpaceId, role: Role) {
        self.derived.push(Arc::new(TreeDef {
            id: TreeId::new(self.next_tree),
            space,
            leaving: false,
            role,
        }));
        self.next_tree += 1;
    }
}

/// Since when it is so, if it is.
fn put_since(out: &mut Vec<u8>, since: Option<u64>) {
    out.put_u8(u8::from(since.is_some()));
    out.put_u64(since.unwrap_or_default());
}

fn read_since(r: &mut Reader<'_>, what: &'static str) -> Result<Option<u64>, Malformed> {
    match (flag(r, what)?, r.u64(what)?) {
        (true, since) => Ok(Some(since)),
        (false, 0) => Ok(None),
        (false, _) => Err(Malformed(what)),
    }
}

fn read_tags(r: &mut Reader<'_>) -> Result<BTreeMap<String, String>, Malformed> {
    let count = r.u16("count of tags")?;
    let mut tags = BTreeMap::new();
    for _ in 0..count {
        let (key, value) = (r.text("tag")?.to_owned(), r.text("tag")?.to_owned());
        if tags.last_key_value().is_some_and(|(last, _)| *last >= key) {
            return Err(Malformed("order of tags"));
        }
        tags.insert(key, value);
    }
    Ok(tags)
}

fn put_tree(out: &mut Vec<u8>, tree: &TreeDef) {
    out.put_u32(tree.id.get());
    out.put_u64(tree.space.0);
    out.put_u8(u8::from(tree.leaving));
    match &tree.role {
        Role::Items => out.put_u8(ITEMS),
        Role::Index(index) => {
            out.put_u8(match index.kind {
                IndexKind::Local => LOCAL_INDEX,
                IndexKind::Global => GLOBAL_INDEX,
            });
            put_index(out, index);
        }
        Role::Expiry(attribute) => {
            out.put_u8(EXPIRY);
            out.put_short_bytes(attribute.as_str().as_bytes());
        }
        Role::Stream(stream) => {
            out.put_u8(STREAM);
            put_stream(out, stream);
        }
    }
}

fn read_tree(r: &mut Reader<'_>) -> Result<Arc<TreeDef>, Malformed> {
    Ok(Arc::new(TreeDef {
        id: TreeId::new(r.u32("tree id")?),
        space: SpaceId(r.u64("space")?),
        leaving: flag(r, "tree is leaving")?,
        role: match r.u8("what a tree holds")? {
            ITEMS => Role::Items,
            LOCAL_INDEX => Role::Index(read_index(r, IndexKind::Local)?),
            GLOBAL_INDEX => Role::Index(read_index(r, IndexKind::Global)?),
            EXPIRY => {
                let name = AttributeName::new(r.text("expiry attribute")?);
                Role::Expiry(name.map_err(|_| Malformed("expiry attribute"))?)
            }
            STREAM => Role::Stream(read_stream(r)?),
            _ => return Err(Malformed("what a tree holds")),
        },
    }))
}

pub(super) fn put_attribute(out: &mut Vec<u8>, attribute: &KeyAttribute) {
    out.put_short_bytes(attribute.name.as_str().as_bytes());
    out.put_u8(match attribute.kind {
        ScalarType::S => b'S',
        ScalarType::N => b'N',
        ScalarType::B => b'B',
    });
}

pub(super) fn read_attribute(r: &mut Reader<'_>) -> Result<KeyAttribute, Malformed> {
    let name =
        AttributeName::new(r.text("attribute name")?).map_err(|_| Malformed("attribute name"))?;
    let kind = match r.u8("attribute type")? {
        b'S' => ScalarType::S,
        b'N' => ScalarType::N,
        b'B' => ScalarType::B,
        _ => return Err(Malformed("attribute type")),
    };
    Ok(KeyAttribute { name, kind })
}

pub(super) fn flag(r: &mut Reader<'_>, what: &'static str) -> Result<bool, Malformed> {
    match r.u8(what)? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Malformed(what)),
    }
}

/// A list with its count in one byte before it.
fn put_attributes(out: &mut Vec<u8>, attributes: &[KeyAttribute]) {
    out.put_u8(u8::try_from(attributes.len()).expect("a key has at most eight attributes"));
    for attribute in attributes {
        put_attribute(out, attribute);
    }
}

fn read_attributes(r: &mut Reader<'_>) -> Result<Vec<KeyAttribute>, Malformed> {
    let count = r.u8("count of attributes")?;
    (0..count).map(|_| read_attribute(r)).collect()
}

fn put_throughput(out: &mut Vec<u8>, throughput: &Throughput) {
    let (units, on_demand, warm) = (
        throughput.provisioned,
        throughput.on_demand,
        throughput.warm,
    );
    for number in [
        units.read_capacity_units,
        units.write_capacity_units,
        on_demand.max_read_request_units.unwrap_or(0),
        on_demand.max_write_request_units.unwrap_or(0),
        warm.read_units_per_second.unwrap_or(0),
        warm.write_units_per_second.unwrap_or(0),
    ] {
        out.put_u64(number.cast_unsigned());
    }
}

fn read_throughput(r: &mut Reader<'_>) -> Result<Throughput, Malformed> {
    let mut number = || r.u64("throughput").map(u64::cast_signed);
    let given = |number: i64| (number != 0).then_some(number);
    Ok(Throughput {
        provisioned: ProvisionedThroughput {
            read_capacity_units: number()?,
            write_capacity_units: number()?,
        },
        on_demand: OnDemandThroughput {
            max_read_request_units: given(number()?),
            max_write_request_units: given(number()?),
        },
        warm: WarmThroughput {
            read_units_per_second: given(number()?),
            write_units_per_second: given(number()?),
        },
    })
}

const ITEMS: u8 = 0;
const LOCAL_INDEX: u8 = 1;
const GLOBAL_INDEX: u8 = 2;
const EXPIRY: u8 = 3;
const STREAM: u8 = 4;

const KEYS_ONLY: u8 = 0;
const ALL: u8 = 1;
const INCLUDE: u8 = 2;

fn put_stream(out: &mut Vec<u8>, stream: &StreamDef) {
    out.put_u8(match stream.view {
        StreamViewType::KeysOnly => 0,
        StreamViewType::NewImage => 1,
        StreamViewType::OldImage => 2,
        StreamViewType::NewAndOldImages => 3,
    });
    out.put_u64(stream.enabled_ms);
    out.put_u64(stream.after);
    put_since(out, stream.disabled_ms);
}

fn read_stream(r: &mut Reader<'_>) -> Result<StreamDef, Malformed> {
    Ok(StreamDef {
        view: match r.u8("view of a stream")? {
            0 => StreamViewType::KeysOnly,
            1 => StreamViewType::NewImage,
            2 => StreamViewType::OldImage,
            3 => StreamViewType::NewAndOldImages,
            _ => return Err(Malformed("view of a stream")),
        },
        enabled_ms: r.u64("time of a stream")?,
        after: r.u64("start of a stream")?,
        disabled_ms: read_since(r, "end of a stream")?,
    })
}

fn put_index(out: &mut Vec<u8>, index: &IndexSchema) {
    out.put_short_bytes(index.name.as_str().as_bytes());
    put_attributes(out, &index.key.partition);
    put_attributes(out, &index.key.sort);
    match &index.projection {
        IndexProjection::KeysOnly => out.put_u8(KEYS_ONLY),
        IndexProjection::All => out.put_u8(ALL),
        IndexProjection::Include(names) => {
            out.put_u8(INCLUDE);
            out.put_u16(u16::try_from(names.len()).expect("an index names at most 20 attributes"));
            for name in names {
                out.put_short_bytes(name.as_str().as_bytes());
            }
        }
    }
    put_throughput(out, &index.throughput);
}

fn read_index(r: &mut Reader<'_>, kind: IndexKind) -> Result<IndexSchema, Malformed> {
    let name = IndexName::new(r.text("index name")?).map_err(|_| Malformed("index name"))?;
    let key = IndexKey {
        partition: read_attributes(r)?,
        sort: read_attributes(r)?,
    };
    let projection = match r.u8("projection")? {
        KEYS_ONLY => IndexProjection::KeysOnly,
        ALL => IndexProjection::All,
        INCLUDE => {
            let count = r.u16("count of projected attributes")?;
            let name = |_| {
                let name = r.text("projected attribute")?;
                AttributeName::new(name).map_err(|_| Malformed("projected attribute"))
            };
            IndexProjection::Include((0..count).map(name).collect::<Result<_, _>>()?)
        }
        _ => return Err(Malformed("projection")),
    };
    Ok(IndexSchema {
        name,
        kind,
        key,
        projection,
        throughput: read_throughput(r)?,
    })
}

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    pub(in crate::catalog) fn attribute() -> impl Strategy<Value = KeyAttribute> + Clone {
        let kind = prop_oneof![
            Just(ScalarType::S),
            Just(ScalarType::N),
            Just(ScalarType::B)
        ];
        ("[a-z]{1,20}", kind).prop_map(|(name, kind)| KeyAttribute {
            name: AttributeName::new(name).unwrap(),
            kind,
        })
    }

    pub(in crate::catalog) fn definition() -> impl Strategy<Value = Definition> {
        let expiry = attribute().prop_map(|attribute| Role::Expiry(attribute.name));
        let derived = prop_oneof![index(), expiry, stream()];
        (
            (any::<(bool, u64)>(), throughput()),
            any::<(Option<bool>, bool, Option<u64>, u32)>(),
            proptest::collection::btree_map("[a-z]{1,9}", "[a-z]{0,9}", 0..3),
            tree(Just(Role::Items)),
            proptest::collection::vec(tree(derived), 0..4),
        )
            .prop_map(
                |(((on_demand, since), throughput), rest, tags, items, derived)| Definition {
                    billing: Billing {
                        mode: match on_demand {
                            true => BillingMode::PayPerRequest,
                            false => BillingMode::Provisioned,
                        },
                        on_demand_since: since,
                        throughput,
                    },
                    class: rest.0.map(|infrequent| match infrequent {
                        false => TableClass::Standard,
                        true => TableClass::StandardInfrequentAccess,
                    }),
                    protected: rest.1,
                    deleting: rest.2,
                    tags,
                    next_tree: rest.3,
                    items,
                    derived,
                },
            )
    }

    fn throughput() -> impl Strategy<Value = Throughput> {
        let given = || proptest::option::of(1i64..i64::MAX);
        (any::<(i64, i64)>(), (given(), given()), (given(), given())).prop_map(
            |(units, on_demand, warm)| Throughput {
                provisioned: ProvisionedThroughput {
                    read_capacity_units: units.0,
                    write_capacity_units: units.1,
                },
                on_demand: OnDemandThroughput {
                    max_read_request_units: on_demand.0,
                    max_write_request_units: on_demand.1,
                },
                warm: WarmThroughput {
                    read_units_per_second: warm.0,
                    write_units_per_second: warm.1,
                },
            },
        )
    }

    fn tree(role: impl Strategy<Value = Role>) -> impl Strategy<Value = Arc<TreeDef>> {
        (any::<(u32, u64, bool)>(), role).prop_map(|((id, space, leaving), role)| {
            Arc::new(TreeDef {
                id: TreeId::new(id),
                space: SpaceId(space),
                leaving,
                role,
            })
        })
    }

    fn stream() -> impl Strategy<Value = Role> {
        let view = proptest::sample::select(StreamViewType::ALL);
        (view, any::<(u64, u64, Option<u64>)>()).prop_map(
            |(view, (enabled_ms, after, disabled_ms))| {
                Role::Stream(StreamDef {
                    view,
                    enabled_ms,
                    after,
                    disabled_ms,
                })
            },
        )
    }

    fn index() -> BoxedStrategy<Role> {
        let attributes = proptest::collection::vec(attribute(), 0..5);
        let names = proptest::collection::vec("[a-z]{1,20}", 0..4);
        (
            "[a-zA-Z0-9_.-]{3,40}",
            (attributes.clone(), attributes),
            (0u8..3, names),
            (any::<bool>(), throughput()),
        )
            .prop_map(|(name, (partition, sort), (projection, names), rest)| {
                Role::Index(IndexSchema {
                    name: IndexName::new(name).unwrap(),
                    kind: if rest.0 {
                        IndexKind::Local
                    } else {
                        IndexKind::Global
                    },
                    key: IndexKey { partition, sort },
                    projection: match projection {
                        0 => IndexProjection::KeysOnly,
                        1 => IndexProjection::All,
                        _ => {
                            let names = names
                                .into_iter()
                                .map(|name| AttributeName::new(name).unwrap());
                            IndexProjection::Include(names.collect())
                        }
                    },
                    throughput: rest.1,
                })
            })
            .boxed()
    }

    proptest! {
        #[test]
        fn a_definition_survives(definition in definition()) {
            let mut bytes = Vec::new();
            definition.encode(&mut bytes);
            let mut r = Reader::new(&bytes);
            prop_assert_eq!(Definition::decode(&mut r).unwrap(), definition);
            prop_assert!(r.is_empty());
        }
    }
}
