//! Rules about parameters that go together, or do not, whatever the operation.

use super::*;

fn put() -> PutItemInput {
    PutItemInput::new("abc", key("a", 1))
}

fn expected() -> BTreeMap<String, ExpectedAttributeValue> {
    BTreeMap::from([("a".to_owned(), ExpectedAttributeValue::new().value(1))])
}

fn conditions() -> BTreeMap<String, Condition> {
    let condition = Condition::new(ComparisonOperator::Eq).attribute_value_list(vec![1.into()]);
    BTreeMap::from([("a".to_owned(), condition)])
}

#[test]
fn older_and_newer_parameters_are_not_mixed() {
    let mixed = |older: &str, newer: &str| {
        format!(
            "Can not use both expression and non-expression parameters in the same request: Non-expression parameters: \
             {{{older}}} Expression parameters: {{{newer}}}"
        )
    };
    let update = UpdateItemInput::new("abc", key("a", 1))
        .update_expression("REMOVE a")
        .condition_expression("b = a")
        .expected(expected())
        .conditional_operator(ConditionalOperator::And);
    let query = QueryInput::new("abc", "pk = :p").value(":p", "a");
    for (refused, message_) in [
        (
            message(
                put()
                    .condition_expression("a = b")
                    .expected(expected())
                    .validate(),
            ),
            mixed("Expected", "ConditionExpression"),
        ),
        (
            message(update.validate()),
            mixed(
                "Expected, ConditionalOperator",
                "UpdateExpression, ConditionExpression",
            ),
        ),
        (
            message(
                GetItemInput::new("abc", key("a", 1))
                    .projection_expression("a")
                    .attributes_to_get(vec!["a".to_owned()])
                    .validate(),
            ),
            mixed("AttributesToGet", "ProjectionExpression"),
        ),
        (
            message(query.clone().key_conditions(conditions()).validate()),
            mixed("KeyConditions", "KeyConditionExpression"),
        ),
        (
            message(query.clone().query_filter(conditions()).validate()),
            mixed("QueryFilter", "KeyConditionExpression"),
        ),
        (
            message(
                ScanInput::new("abc")
                    .filter_expression("a = b")
                    .scan_filter(conditions())
                    .validate(),
            ),
            mixed("ScanFilter", "FilterExpression"),
        ),
    ] {
        assert_eq!(refused, message_);
    }
    let mut older_key = query
        .filter_expression("a = :p")
        .key_conditions(conditions());
    older_key.key_condition_expression = None;
    assert!(
        older_key.validate().is_ok(),
        "KeyConditions may stand beside a filter"
    );
}

#[test]
fn placeholders_come_with_expressions() {
    let names = BTreeMap::from([("#a".to_owned(), "a".to_owned())]);
    let values = Map::from([(":a", 1)]);
    for (refused, expected) in [
        (
            message(put().expression_attribute_names(names.clone()).validate()),
            "ExpressionAttributeNames can only be specified when using expressions",
        ),
        (
            message(put().expression_attribute_values(values.clone()).validate()),
            "ExpressionAttributeValues can only be specified when using expressions: ConditionExpression is null",
        ),
        (
            message(
                UpdateItemInput::new("abc", key("a", 1))
                    .expression_attribute_values(values.clone())
                    .validate(),
            ),
            "ExpressionAttributeValues can only be specified when using expressions: UpdateExpression and \
             ConditionExpression are null",
        ),
        (
            message(
                put()
                    .condition_expression("a = b")
                    .expression_attribute_names(BTreeMap::new())
                    .validate(),
            ),
            "ExpressionAttributeNames must not be empty",
        ),
        (
            message(
                put()
                    .condition_expression("a = b")
                    .expression_attribute_values(Map::new())
                    .validate(),
            ),
            "ExpressionAttributeValues must not be empty",
        ),
        (
            message(
                put()
                    .condition_expression("a = b")
                    .name("#a", "")
                    .validate(),
            ),
            "ExpressionAttributeNames contains invalid value: Empty attribute name for key #a",
        ),
        (
            message(
                put()
                    .condition_expression("a = b")
                    .value(":a", "x".repeat(2 * 1024 * 1024))
                    .validate(),
            ),
            "ExpressionAttributeValues exceeds max size",
        ),
        (
            message(
                put()
                    .condition_expression("a = b")
                    .value(format!(":{}", "a".repeat(255)), 1)
                    .validate(),
            ),
            "ExpressionAttributeValues contains invalid key: The expression attribute map contains a key that is too long",
        ),
    ] {
        assert_eq!(refused, expected);
    }
    // Used by one of a request's expressions is used.
    let update = UpdateItemInput::new("abc", key("a", 1))
        .update_expression("SET #a = :a")
        .condition_expression("b = :b")
        .name("#a", "a")
        .value(":a", 1)
        .value(":b", 1);
    assert!(update.clone().validate().is_ok());
    assert_eq!(
        message(update.value(":c", 1).validate()),
        "Value provided in ExpressionAttributeValues unused in expressions: keys: {:c}"
    );
}

#[test]
fn select_and_projection_agree() {
    let scan = |select: Option<Select>, projection: bool| {
        let mut input = ScanInput::new("abc");
        input.select = select;
        if projection {
            input = input.projection_expression("a");
        }
        input
            .validate()
            .map(|scan| scan.select)
            .map_err(|error| error.to_string())
    };
    assert_eq!(scan(None, false), Ok(Select::AllAttributes));
    assert_eq!(scan(None, true), Ok(Select::SpecificAttributes));
    assert_eq!(scan(Some(Select::Count), false), Ok(Select::Count));
    for (select, projection, expected) in [
        (
            Select::Count,
            true,
            "Cannot specify the ProjectionExpression when choosing to get only the Count",
        ),
        (
            Select::AllAttributes,
            true,
            "Cannot specify the ProjectionExpression when choosing to get ALL_ATTRIBUTES",
        ),
        (
            Select::AllProjectedAttributes,
            false,
            "ALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName",
        ),
        (
            Select::SpecificAttributes,
            false,
            "Must specify the AttributesToGet or ProjectionExpression when choosing to get SPECIFIC_ATTRIBUTES",
        ),
    ] {
        assert_eq!(scan(Some(select), projection), Err(expected.to_owned()));
    }
}

#[test]
fn updates_give_back_what_was_asked_for() {
    let old = Map::from([("pk", AttributeValue::from("a")), ("n", 1.into())]);
    let new = Map::from([("pk", AttributeValue::from("a")), ("n", 2.into())]);
    let returned = |returned: ReturnValue| {
        UpdateItemInput::new("abc", key("a", 1))
            .update_expression("SET n = :n REMOVE gone")
            .value(":n", 2)
            .return_values(returned)
            .validate()
            .unwrap()
            .returned(Some(&old), Some(&new))
    };
    let n = |value: i32| Some(Map::from([("n", value)]));
    assert_eq!(returned(ReturnValue::None), None);
    assert_eq!(returned(ReturnValue::AllOld), Some(old.clone()));
    assert_eq!(returned(ReturnValue::AllNew), Some(new.clone()));
    assert_eq!(returned(ReturnValue::UpdatedOld), n(1));
    assert_eq!(returned(ReturnValue::UpdatedNew), n(2));
    assert_eq!(
        message(put().return_values(ReturnValue::AllNew).validate()),
        "ReturnValues can only be ALL_OLD or NONE"
    );
}

#[test]
fn transactions_have_1_to_100_actions_that_follow_the_rules_of_their_operations() {
    let check = || ConditionCheck::new("abc", key("a", 1), "attribute_exists(pk)");
    let valid = TransactWriteItemsInput::new()
        .action(check())
        .action(TransactPut::new("abc", key("a", 2)))
        .action(TransactDelete::new("abc", key("a", 3)).condition_expression("a = b"))
        .action(TransactUpdate::new("abc", key("a", 4), "REMOVE a"))
        .client_request_token("token")
        .validate()
        .unwrap();
    let keys: Vec<_> = valid
        .actions
        .iter()
        .map(|action| action.key(&schema()).unwrap())
        .collect();
    let expected: Vec<_> = (1..5)
        .map(|sk| schema().key_of_key(&key("a", sk)).unwrap().into_owned())
        .collect();
    assert_eq!(keys, expected);
    let length = |value: &str, at: &str, rule: &str| {
        format!(
            "1 validation error detected: Value '{value}' at '{at}' failed to satisfy constraint: Member must have length \
             {rule}"
        )
    };
    let none = TransactWriteItemsInput::new();
    assert_eq!(
        message(none.clone().validate()),
        length("[]", "transactItems", "greater than or equal to 1")
    );
    assert_eq!(
        message(
            none.clone()
                .action(check())
                .client_request_token("x".repeat(37))
                .validate()
        ),
        length(
            &"x".repeat(37),
            "clientRequestToken",
            "less than or equal to 36"
        )
    );
    let mut unconditional = check();
    unconditional.condition_expression = None;
    assert_eq!(
        message(none.clone().action(unconditional).validate()),
        "1 validation error detected: Value null at 'transactItems.1.member.conditionCheck.conditionExpression' failed to \
         satisfy constraint: Member must not be null"
    );
    let of_key = TransactUpdate::new("abc", key("a", 1), "REMOVE sk");
    let of_key = none.action(of_key).validate().unwrap();
    assert_eq!(
        message(of_key.actions[0].key(&schema())),
        "One or more parameter values were invalid: Cannot update attribute sk. This attribute is part of the key"
    );
    let gets = TransactGetItemsInput::new(vec![
        TransactGet::new("abc", key("a", 1)).projection_expression("a"),
        TransactGet::new("abc", key("a", 2)),
    ]);
    assert_eq!(gets.validate().unwrap().gets.len(), 2);
}

#[test]
fn batches_of_reads_have_1_to_100_keys() {
    let batch = |count: i32| {
        (0..count).fold(BatchGetItemInput::new(), |batch, at| {
            batch.key(format!("table{}", at % 2), key("a", at / 4))
        })
    };
    assert_eq!(
        message(BatchGetItemInput::new().validate()),
        "1 validation error detected: Value '{}' at 'requestItems' failed to satisfy constraint: Member must have length \
         greater than or equal to 1"
    );
    assert_eq!(
        message(batch(101).validate()),
        "Too many items requested for the BatchGetItem call"
    );
    let newer = KeysAndAttributes::new(vec![key("a", 1)]).projection_expression("a");
    let mut older = KeysAndAttributes::new(vec![key("a", 1)]);
    older.attributes_to_get = Some(vec!["a".to_owned()]);
    let mixed = batch(0).keys("one", newer).keys("two", older);
    assert_eq!(
        message(mixed.validate()),
        "Can not use both expression and non-expression parameters in the same request: Non-expression parameters: \
         {AttributesToGet} Expression parameters: {ProjectionExpression}"
    );
    assert_eq!(batch(2).validate().unwrap().tables.len(), 2);
    assert_eq!(
        message(batch(4).validate()),
        "Provided list of item keys contains duplicates"
    );
}

#[test]
fn debug_of_expressions_gives_no_data_away() {
    let update = UpdateItemInput::new("abc", key("a", 1))
        .update_expression("SET secretname = :p")
        .condition_expression("secretname <> :p")
        .value(":p", "secretvalue");
    let valid = update.clone().validate().unwrap();
    let mut older = GetItemInput::new("abc", key("a", 1));
    older.attributes_to_get = Some(vec!["secretname".to_owned()]);
    let read = older.clone().validate().unwrap();
    let transaction = TransactWriteItemsInput::new().action(TransactUpdate::new(
        "abc",
        key("a", 1),
        "REMOVE secretname",
    ));
    let reason = CancellationReason::new(CancellationCode::ValidationError, "secretname");
    let text = format!("{update:?} {valid:?} {older:?} {read:?} {transaction:?} {reason:?}");
    assert!(!text.contains("secret"), "{text}");
}
