//! Statements as AWS documents them, what they mean for a table, and what is refused.
#![allow(clippy::unwrap_used)]

use proptest::collection::vec;
use proptest::prelude::*;

use super::ast::{
    Change, Condition, Delete, Insert, Operand, Order, Select, SetOperand, Source,
    Statement as Tree, TYPE_NAMES, Update, Value,
};
use super::parser::parse;
use super::*;
use crate::expr::condition::Comparator;
use crate::expr::path::{Part, Path};
use crate::fuzzing::fuzz_statement;
use crate::generate::number;
use crate::map::{Item, Map};
use crate::names::AttributeName;
use crate::ops::{
    BatchExecuteStatementInput, BatchStatementRequest, DeleteItem, ExecuteStatementInput,
    ExecuteTransactionInput, ParameterizedStatement, Query, ReturnConsumedCapacity, ReturnValue,
    UpdateItem,
};
use crate::schema::{KeyAttribute, KeySchema, ScalarType, TableSchema};

mod refusals;

/// A table of the key `pk`, a string, and `sk`, a number.
fn schema() -> TableSchema {
    let attribute = |name, kind| KeyAttribute {
        name: AttributeName::new(name).unwrap(),
        kind,
    };
    TableSchema {
        key: KeySchema {
            partition: attribute("pk", ScalarType::S),
            sort: Some(attribute("sk", ScalarType::N)),
        },
        indexes: Vec::new(),
    }
}

fn plan_of(text: &str, parameters: Vec<AttributeValue>) -> Result<Plan, ValidationError> {
    Request {
        statement: Statement::parse(text)?,
        parameters,
        consistent_read: false,
        return_old: false,
        return_consumed_capacity: ReturnConsumedCapacity::None,
    }
    .plan(&schema())
}

fn plan(text: &str) -> Plan {
    plan_of(text, Vec::new()).unwrap()
}

fn select(text: &str) -> super::Select {
    match plan(text) {
        Plan::Select(select) => select,
        other => panic!("{other:?}"),
    }
}

/// The queries of a SELECT, as the values of their partition key.
fn queries(text: &str) -> (Vec<Query>, Vec<AttributeValue>) {
    let Reads::Partitions(queries) = select(text).reads else {
        panic!("{text} is a scan");
    };
    let partition = |query: &Query| query.plan(&schema().key).unwrap().condition.partition;
    let partitions = queries.iter().map(partition).collect();
    (queries, partitions)
}

fn update(text: &str) -> Box<UpdateItem> {
    match plan(text) {
        Plan::Update(update) => update,
        other => panic!("{other:?}"),
    }
}

fn delete(text: &str) -> Box<DeleteItem> {
    match plan(text) {
        Plan::Delete(delete) => delete,
        other => panic!("{other:?}"),
    }
}

fn refused(text: &str) -> String {
    plan_of(text, Vec::new()).unwrap_err().to_string()
}

fn key(pk: &str, sk: i32) -> Map {
    Map::from([("pk", AttributeValue::from(pk)), ("sk", sk.into())])
}

#[test]
fn the_statements_of_the_documentation_are_read() {
    for text in [
        "SELECT * FROM \"Orders\" WHERE OrderID = 100 and Address='some address'",
        "SELECT OrderID, Total FROM \"Orders\" WHERE OrderID IN [1, 2, 3] ORDER BY OrderID DESC",
        "SELECT OrderID, Total FROM \"Orders\" WHERE Total BETWEEN 500 AND 600",
        "SELECT Devices.FireStick.DateWatched[0] FROM WatchList WHERE CustomerID= 'C1' AND MovieID= 'M1'",
        "SELECT Devices FROM WatchList WHERE Devices.FireStick.DateWatched[0] >= '12/12/19'",
        "SELECT * FROM \"TableName\".\"IndexName\"",
        "INSERT INTO \"Music\" value {'Artist' : 'Acme Band','SongTitle' : 'PartiQL Rocks'}",
        "INSERT INTO TypesTable value {'primarykey':'1', 'NumberType':1, 'MapType' : {'entryname1': 'value', 'entryname2': 4}, \
         'ListType': [1,'stringval'], 'NumberSetType':<<1,34,32,4.5>>, 'StringSetType':<<'stringval','stringval2'>>}",
        "UPDATE TypesTable SET NumberType=NumberType + 100 SET MapType.NewMapEntry=[2020, 'stringvalue', 2.4] \
         SET ListType = LIST_APPEND(ListType, [4, <<'string1', 'string2'>>]) \
         SET NumberSetType= SET_ADD(NumberSetType, <<345, 48.4>>) WHERE primarykey='1'",
        "UPDATE TypesTable SET NumberType=NumberType - 1 REMOVE ListType[1] REMOVE MapType.NewMapEntry \
         SET NumberSetType = SET_DELETE( NumberSetType, <<345>>) WHERE primarykey='1'",
        "UPDATE \"Music\" SET AwardsWon=1 SET AwardDetail={'Grammys':[2020, 2018]} \
         WHERE Artist='Acme Band' AND SongTitle='PartiQL Rocks' RETURNING ALL OLD *",
        "DELETE FROM \"Music\" WHERE \"Artist\" = 'Acme Band' AND \"SongTitle\" = 'PartiQL Rocks' RETURNING ALL OLD *",
        "EXISTS(SELECT * FROM Music where Artist='No One You Know' and SongTitle='Call Me Today' and Awards is  MISSING)",
        "SELECT * FROM Music WHERE attribute_type(\"Genres\", 'SS') AND Artist IS NOT MISSING OR a is null",
        "SELECT * FROM Orders WHERE begins_with(Address, '7834 24th') AND NOT contains(Tags, 'x') AND size(Image) >300",
        "UPDATE movies SET info.rating=?, info.plot=? WHERE title=? AND year=?;",
        "select a from tab where b in (1, -2, +3e1) and c not in ? and d not between 1 and 2 and e != 'it''s'",
    ] {
        let statement = Statement::parse(text).unwrap();
        assert_eq!(
            Statement::parse(&statement.to_string()),
            Ok(statement),
            "{text}"
        );
    }
}

#[test]
fn a_select_reads_the_partitions_that_it_names() {
    for (text, partitions) in [
        ("SELECT * FROM tab WHERE pk = 'a'", vec!["a"]),
        ("SELECT * FROM tab WHERE 'a' = pk AND b > 1", vec!["a"]),
        (
            "SELECT * FROM tab WHERE (b > 1 AND (pk = 'a' AND c = 2)) AND d = 3",
            vec!["a"],
        ),
        (
            "SELECT * FROM tab WHERE pk IN ['b', 'a', 'b']",
            vec!["b", "a"],
        ),
        (
            "SELECT * FROM tab WHERE pk = 'b' OR pk = 'a' OR pk IN ['c']",
            vec!["b", "a", "c"],
        ),
        (
            "SELECT * FROM tab WHERE pk IN ['b', 'c', 'a'] ORDER BY pk",
            vec!["a", "b", "c"],
        ),
        (
            "SELECT * FROM tab WHERE pk IN ['b', 'c', 'a'] ORDER BY pk DESC, sk",
            vec!["c", "b", "a"],
        ),
    ] {
        let expected: Vec<AttributeValue> =
            partitions.into_iter().map(AttributeValue::from).collect();
        assert_eq!(queries(text).1, expected, "{text}");
    }
    for text in [
        "SELECT * FROM tab",
        "SELECT * FROM tab WHERE pk > 'a'",
        "SELECT * FROM tab WHERE sk = 1",
        "SELECT * FROM tab WHERE pk = 'a' OR b = 1",
        "SELECT * FROM tab WHERE NOT pk = 'a'",
        "SELECT * FROM tab WHERE pk.a = 'a'",
        "SELECT * FROM tab WHERE pk = b",
    ] {
        assert!(matches!(select(text).reads, Reads::Table(_)), "{text}");
    }
}

#[test]
fn the_sort_key_is_a_range_and_the_rest_a_filter() {
    let one = |condition: &str| {
        let (queries, _) = queries(&format!("SELECT * FROM tab WHERE pk = 'a' AND {condition}"));
        let query = queries.into_iter().next().unwrap();
        let plan = query.plan(&schema().key).unwrap();
        (plan.condition.sort, query.filter)
    };
    use crate::expr::SortCondition as Sort;
    let n = AttributeValue::from;
    assert_eq!(one("sk = 1"), (Some(Sort::Eq(n(1))), None));
    assert_eq!(one("2 > sk"), (Some(Sort::Lt(n(2))), None));
    assert_eq!(
        one("sk BETWEEN 1 AND 2"),
        (Some(Sort::Between(n(1), n(2))), None)
    );
    let (sort, filter) = one("sk > 1 AND sk < 5 AND b = 2");
    assert_eq!(sort, Some(Sort::Gt(n(1))));
    let filter = filter.unwrap();
    let mut item = key("a", 3);
    item.insert("b", 2);
    assert!(filter.admits(&item));
    item.insert("sk", 5);
    assert!(!filter.admits(&item));
    let (sort, filter) = one("sk IN [1, 3] AND sk <> 3");
    assert_eq!(sort, None);
    assert!(filter.clone().unwrap().admits(&key("a", 1)));
    assert!(!filter.unwrap().admits(&key("a", 3)));
    assert_eq!(one("sk > 0 AND sk = 7").0, Some(Sort::Eq(n(7))));

    assert!(queries("SELECT * FROM tab WHERE pk = 'a'").0[0].forward);
    assert!(!queries("SELECT * FROM tab WHERE pk = 'a' ORDER BY sk DESC").0[0].forward);
    let whole = |text: &str| select(text).key;
    assert_eq!(
        whole("SELECT * FROM tab WHERE sk = 1 AND pk = 'a' AND b = 2"),
        Some(key("a", 1))
    );
    assert_eq!(whole("SELECT * FROM tab WHERE sk > 1 AND pk = 'a'"), None);
}

#[test]
fn columns_are_called_by_their_last_name() {
    let item = Item::from([
        ("a", AttributeValue::from(1)),
        (
            "m",
            AttributeValue::M(Map::from([(
                "l",
                AttributeValue::L(vec![2.into(), 3.into()]),
            )])),
        ),
    ]);
    let columns = select("SELECT a, m.l[1], m.l, m.none FROM tab").columns;
    assert_eq!(
        columns.of(item.clone()),
        Item::from([
            ("a", AttributeValue::from(1)),
            ("l[1]", 3.into()),
            ("l", AttributeValue::L(vec![2.into(), 3.into()])),
        ])
    );
    assert_eq!(select("SELECT * FROM tab").columns.of(item.clone()), item);
}

#[test]
fn conditions_mean_what_they_say() {
    let item = Item::from([
        ("n", AttributeValue::from(3)),
        ("s", "text".into()),
        ("null", AttributeValue::Null),
        ("ss", AttributeValue::Ss(vec!["a".into()])),
        (
            "m",
            AttributeValue::M(Map::from([("x", AttributeValue::from(true))])),
        ),
    ]);
    for (condition, holds) in [
        ("n = 3", true),
        ("n IN (1, 3)", true),
        ("n NOT IN [1, 3]", false),
        ("n BETWEEN 3 AND 4 AND NOT n BETWEEN 4 AND 5", true),
        ("gone IS MISSING AND n IS NOT MISSING", true),
        ("\"null\" IS NULL AND n IS NOT NULL", true),
        ("s IS STRING AND n IS NUMERIC AND m IS STRUCT", true),
        (
            "begins_with(s, 'te') AND contains(s, 'ex') AND contains(ss, 'a')",
            true,
        ),
        ("size(s) = 4 AND size(ss) < 2", true),
        (
            "attribute_type(ss, 'SS') AND NOT attribute_type(ss, 'S')",
            true,
        ),
        ("m.x = TRUE AND m['x'] = true", true),
        ("m = {'x': true} AND ss = <<'a'>>", true),
        ("n = 4 OR n = 3 AND s = 'other'", false),
        ("(n = 4 OR n = 3) AND NOT (s = 'other')", true),
        ("s <> 'text'", false),
    ] {
        let Reads::Table(scan) = select(&format!("SELECT * FROM tab WHERE {condition}")).reads
        else {
            panic!("{condition}");
        };
        assert_eq!(scan.filter.unwrap().admits(&item), holds, "{condition}");
    }
    for (condition, message) in [
        (
            "attribute_type(a, 'X')",
            "Invalid attribute type name found; type: X, valid types: {B,NULL,SS,BOOL,L,BS,N,NS,S,M}",
        ),
        (
            "a > TRUE",
            "Incorrect operand type for operator or function; operator or function: >, operand type: BOOL",
        ),
        (
            "begins_with(a, 1)",
            "Incorrect operand type for operator or function; operator or function: begins_with, operand type: N",
        ),
        (
            "a = ?",
            "Number of parameters in request and statement don't match.",
        ),
        (
            "substr(a, 1) = 'b'",
            "Unsupported function: substr at 1:25:6",
        ),
    ] {
        assert_eq!(
            refused(&format!("SELECT * FROM tab WHERE {condition}")),
            message
        );
    }
    assert!(refused("SELECT * FROM tab WHERE a BETWEEN 2 AND 1").contains("upper bound"));
    let many = |count: usize| vec!["'x'"; count].join(",");
    assert!(
        plan_of(
            &format!("SELECT * FROM tab WHERE a IN [{}]", many(100)),
            Vec::new()
        )
        .is_ok()
    );
    assert!(
        refused(&format!("SELECT * FROM tab WHERE a IN [{}]", many(101)))
            .contains("too many operands")
    );
}

#[test]
fn parameters_take_the_places_of_the_question_marks_in_order() {
    let parameters = vec![AttributeValue::B(vec![1]), "a".into(), 2.into()];
    let Ok(Plan::Update(update)) =
        plan_of("UPDATE tab SET b = ? WHERE pk = ? AND sk = ?", parameters)
    else {
        panic!("an update");
    };
    assert_eq!(update.key, key("a", 2));
    let new = update
        .update
        .apply(&update.key, Some(&update.key))
        .unwrap()
        .unwrap();
    assert_eq!(new.get("b"), Some(&AttributeValue::B(vec![1])));
    assert_eq!(
        plan_of("SELECT * FROM tab WHERE a = 1", vec![1.into()])
            .unwrap_err()
            .message(),
        "Number of parameters in request and statement don't match."
    );
}

#[test]
fn an_insert_puts_an_item_that_is_not_there() {
    let Plan::Insert(put) =
        plan("INSERT INTO tab VALUE {'pk': 'a', 'sk': 1, 'set': <<1, 2>>, 'x': NULL}")
    else {
        panic!("an insert");
    };
    let mut item = key("a", 1);
    item.insert("set", AttributeValue::Ns(vec![1.into(), 2.into()]));
    item.insert("x", AttributeValue::Null);
    assert_eq!(put.item, item);
    let guard = put.guard.unwrap();
    assert!(guard.allows(None));
    assert!(!guard.allows(Some(&key("a", 1))));
    assert_eq!(
        refused("INSERT INTO tab VALUE 'a'"),
        "Item to insert must be a tuple"
    );
    assert!(
        refused("INSERT INTO tab VALUE {'pk': <<1, 'a'>>}")
            .contains("A set has at least one element")
    );
    assert_eq!(
        refused("INSERT INTO tab.i VALUE {'pk': 1}"),
        "This operation is not supported on an index"
    );
}

#[test]
fn an_update_changes_an_item_that_is_there() {
    let old = Item::from([
        ("pk", AttributeValue::from("a")),
        ("sk", 1.into()),
        ("n", 5.into()),
        ("l", AttributeValue::L(vec![1.into(), 2.into()])),
        ("ss", AttributeValue::Ss(vec!["a".into(), "b".into()])),
    ]);
    let update = update(
        "UPDATE tab SET n = n - 2, l = list_append(l, [3]) SET ss = set_delete(ss, <<'a'>>) SET ns = set_add(ns, <<1>>) \
         SET c = n WHERE pk = 'a' AND sk = 1 AND n > 4 RETURNING MODIFIED NEW *",
    );
    assert_eq!(update.key, key("a", 1));
    assert_eq!(update.return_values, ReturnValue::UpdatedNew);
    let guard = update.guard.as_ref().unwrap();
    assert!(guard.allows(Some(&old)));
    assert!(!guard.allows(Some(&key("a", 1))));
    assert!(!guard.allows(None));
    assert_eq!(
        refused("UPDATE tab SET l = 1 REMOVE l[0] WHERE pk = 'a' AND sk = 1"),
        "Two document paths overlap with each other; must remove or rewrite one of these paths; path one: [l], path two: \
         [l, [0]]"
    );
    let update = self::update(
        "UPDATE tab SET n = n - 2 SET l = list_append(l, [3]) SET ss = set_delete(ss, <<'a'>>) SET ns = set_add(ns, <<1>>) \
         SET c = n REMOVE gone WHERE pk = 'a' AND sk = 1",
    );
    let new = update
        .update
        .apply(&update.key, Some(&old))
        .unwrap()
        .unwrap();
    let expected = Item::from([
        ("pk", AttributeValue::from("a")),
        ("sk", 1.into()),
        ("n", 3.into()),
        ("c", 5.into()),
        ("l", AttributeValue::L(vec![1.into(), 2.into(), 3.into()])),
        ("ss", AttributeValue::Ss(vec!["b".into()])),
        ("ns", AttributeValue::Ns(vec![1.into()])),
    ]);
    assert_eq!(new, expected);
    let changes_key = self::update("UPDATE tab SET sk = 2 WHERE pk = 'a' AND sk = 1");
    assert!(changes_key.fits(&schema().key).is_err());
}

#[test]
fn a_delete_of_nothing_is_no_failure() {
    let with = delete("DELETE FROM tab WHERE pk = 'a' AND sk = 1 AND b = 2 RETURNING ALL OLD *");
    assert_eq!(with.return_values, ReturnValue::AllOld);
    let guard = with.guard.unwrap();
    assert!(guard.allows(None));
    assert!(!guard.allows(Some(&key("a", 1))));
    assert!(
        delete("DELETE FROM tab WHERE pk = 'a' AND sk = 1")
            .guard
            .is_none()
    );
    assert!(
        refused("DELETE FROM tab WHERE pk = 'a' AND sk = 1 RETURNING ALL NEW *")
            .contains("ALL OLD")
    );
}

#[test]
fn exists_is_a_condition_of_an_item_that_is_there() {
    let Plan::Check(check) =
        plan("EXISTS(SELECT * FROM tab WHERE pk = 'a' AND sk = 1 AND b IS MISSING)")
    else {
        panic!("a check");
    };
    assert_eq!(check.key, key("a", 1));
    assert!(check.guard.allows(Some(&key("a", 1))));
    assert!(!check.guard.allows(None));
}

#[test]
fn requests_have_the_services_constraints() {
    let message = |input: ExecuteStatementInput| input.validate().unwrap_err().to_string();
    assert_eq!(
        message(
            ExecuteStatementInput::new("")
                .limit(0)
                .parameters(Vec::new())
        ),
        "3 validation errors detected: Value '' at 'statement' failed to satisfy constraint: Member must have length \
         greater than or equal to 1; Value '[]' at 'parameters' failed to satisfy constraint: Member must have length \
         greater than or equal to 1; Value '0' at 'limit' failed to satisfy constraint: Member must have value greater \
         than or equal to 1"
    );
    assert!(
        message(ExecuteStatementInput::new("x".repeat(8_193)))
            .contains("less than or equal to 8192")
    );
    let statements = vec![BatchStatementRequest::new(""); 26];
    let refused = BatchExecuteStatementInput::new(statements).validate();
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("'statements' failed to satisfy constraint: Member must have length less than or equal to 25"));
    let one_is_empty = vec![
        BatchStatementRequest::new("x"),
        BatchStatementRequest::new(""),
    ];
    let refused = BatchExecuteStatementInput::new(one_is_empty).validate();
    let refused = refused.unwrap_err().to_string();
    assert!(
        refused.contains("'statements.2.member.statement'"),
        "{refused}"
    );
    let statement = || ParameterizedStatement::new("DELETE FROM tab WHERE pk = 'a' AND sk = 1");
    let transaction = ExecuteTransactionInput::new(vec![statement()]).client_request_token("");
    assert!(
        transaction
            .validate()
            .unwrap_err()
            .to_string()
            .contains("'clientRequestToken'")
    );
    let reads_too = vec![
        statement(),
        ParameterizedStatement::new("SELECT * FROM tab"),
    ];
    assert!(ExecuteTransactionInput::new(reads_too).validate().is_err());
}

fn path() -> impl Strategy<Value = Path> {
    let part = prop_oneof![
        ".{1,4}".prop_map(|name| Part::Name(name.into())),
        (0..=i32::MAX as usize).prop_map(Part::Index),
    ];
    (".{0,5}", vec(part, 0..3)).prop_map(|(head, rest)| Path {
        head: head.into(),
        rest,
    })
}

fn value() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        ".{0,6}".prop_map(AttributeValue::S),
        number().prop_map(AttributeValue::N),
        any::<bool>().prop_map(AttributeValue::Bool),
        Just(AttributeValue::Null),
    ];
    scalar
        .prop_map(Value::Scalar)
        .prop_recursive(3, 12, 3, |inner| {
            prop_oneof![
                vec(inner.clone(), 0..3).prop_map(Value::List),
                vec(inner.clone(), 0..3).prop_map(Value::Set),
                vec((".{0,4}", inner), 0..3).prop_map(Value::Map),
            ]
        })
}

fn operand() -> impl Strategy<Value = Operand> {
    prop_oneof![
        path().prop_map(Operand::Path),
        value().prop_map(Operand::Value),
        path().prop_map(Operand::Size)
    ]
}

fn condition() -> impl Strategy<Value = Condition> {
    use Comparator::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual, NotEqual};
    let comparator = prop::sample::select(vec![
        Equal,
        NotEqual,
        Less,
        LessOrEqual,
        Greater,
        GreaterOrEqual,
    ]);
    let kind = prop::sample::select(TYPE_NAMES.iter().map(|(_, kind)| *kind).collect::<Vec<_>>());
    let predicate = prop_oneof![
        (operand(), comparator, operand())
            .prop_map(|(left, by, right)| Condition::Compare(left, by, right)),
        (operand(), operand(), operand())
            .prop_map(|(value, low, high)| Condition::Between(value, low, high)),
        (operand(), vec(value(), 0..3))
            .prop_map(|(value, list)| Condition::In(value, Value::List(list))),
        path().prop_map(Condition::IsMissing),
        (path(), kind).prop_map(|(path, kind)| Condition::Is(path, kind)),
        (operand(), operand()).prop_map(|(value, prefix)| Condition::BeginsWith(value, prefix)),
        (operand(), operand()).prop_map(|(value, part)| Condition::Contains(value, part)),
        (operand(), value()).prop_map(|(value, kind)| Condition::HasType(value, kind)),
    ];
    predicate.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 2..4).prop_map(Condition::And),
            vec(inner.clone(), 2..4).prop_map(Condition::Or),
            inner.prop_map(|part| Condition::Not(Box::new(part))),
        ]
    })
}

fn set_operand() -> impl Strategy<Value = SetOperand> {
    let leaf = prop_oneof![
        path().prop_map(SetOperand::Path),
        value().prop_map(SetOperand::Value)
    ];
    leaf.prop_recursive(2, 4, 2, |inner| {
        (inner.clone(), inner)
            .prop_map(|(first, second)| SetOperand::ListAppend(Box::new(first), Box::new(second)))
    })
}

fn change() -> impl Strategy<Value = Change> {
    let source = prop_oneof![
        set_operand().prop_map(Source::Operand),
        (set_operand(), set_operand()).prop_map(|(left, right)| Source::Plus(left, right)),
        (set_operand(), set_operand()).prop_map(|(left, right)| Source::Minus(left, right)),
        (path(), value()).prop_map(|(path, value)| Source::SetAdd(path, value)),
        (path(), value()).prop_map(|(path, value)| Source::SetDelete(path, value)),
    ];
    prop_oneof![
        path().prop_map(Change::Remove),
        (path(), source).prop_map(|(path, source)| Change::Set(path, source)),
    ]
}

fn select_tree() -> impl Strategy<Value = Select> {
    let order = (path(), any::<bool>()).prop_map(|(path, descending)| Order { path, descending });
    (
        prop::option::of(vec(path(), 1..3)),
        (".{0,6}", prop::option::of(".{0,6}")),
        prop::option::of(condition()),
        vec(order, 0..3),
    )
        .prop_map(|(columns, (table, index), condition, order)| Select {
            columns,
            table,
            index,
            condition,
            order,
        })
}

fn tree() -> impl Strategy<Value = Tree> {
    let returning = || prop::sample::select(ReturnValue::ALL);
    let condition = || prop::option::of(condition());
    prop_oneof![
        select_tree().prop_map(Tree::Select),
        select_tree().prop_map(Tree::Exists),
        (".{0,6}", value()).prop_map(|(table, item)| Tree::Insert(Insert { table, item })),
        (".{0,6}", vec(change(), 1..4), condition(), returning()).prop_map(
            |(table, changes, condition, returning)| {
                Tree::Update(Update {
                    table,
                    changes,
                    condition,
                    returning,
                })
            }
        ),
        (".{0,6}", condition(), returning()).prop_map(
            |(table, condition, returning)| Tree::Delete(Delete {
                table,
                condition,
                returning
            })
        ),
    ]
}

proptest! {
    #[test]
    fn what_is_printed_is_read_as_the_same(tree in tree()) {
        let text = tree.to_string();
        prop_assert_eq!(parse(&text), Ok((tree, 0)), "{}", text);
    }

    #[test]
    fn any_text_is_read_or_refused(text in "(SELECT|UPDATE tab SET|DELETE FROM|INSERT INTO tab VALUE)( |[a-z*?'\"(){}<>\\[\\],.=0-9-]|WHERE|FROM|AND){0,40}") {
        fuzz_statement(text.as_bytes());
    }
}
