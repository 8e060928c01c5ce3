"""Reads, batches and transactions."""

from asking import (
    EMPTY,
    INVALID,
    K,
    KR,
    MIXED,
    N,
    NOT_NULL,
    NO_SCHEMA,
    PATTERN,
    S,
    SCALARS,
    TWICE,
    broken,
    call,
    expect,
    least,
    longer,
    most,
    ok,
    one_of,
    shorter,
)


def reads():
    def query(**more):
        return {"TableName": "range", **more}

    def condition(expression, **values):
        return query(
            KeyConditionExpression=expression,
            **({"ExpressionAttributeValues": {f":{name}": value for name, value in values.items()}} if values else {}),
        )

    x = S("x")
    invalid = "Invalid KeyConditionExpression: "
    start = "The provided starting key is invalid"
    expect(
        "Query",
        [
            ({}, broken((None, "tableName", NOT_NULL))),
            (
                {"TableName": "abc;", "ReturnConsumedCapacity": "hi", "IndexName": "", "Select": "hi", "Limit": -1},
                broken(
                    ("hi", "returnConsumedCapacity", one_of("INDEXES", "TOTAL", "NONE")),
                    ("hi", "select", one_of("SPECIFIC_ATTRIBUTES", "COUNT", "ALL_ATTRIBUTES", "ALL_PROJECTED_ATTRIBUTES")),
                    ("", "indexName", PATTERN),
                    ("", "indexName", longer(3)),
                    ("abc;", "tableName", PATTERN),
                    ("-1", "limit", least(1)),
                ),
            ),
            (query(), "Either the KeyConditions or KeyConditionExpression parameter must be specified in the request."),
            (query(KeyConditions={}), "Conditions can be of length 1 or 2 only"),
            (query(KeyConditions={"a": {"ComparisonOperator": "EQ"}}), INVALID + "Invalid number of argument(s) for the EQ ComparisonOperator"),
            (
                query(KeyConditions={"a": {"ComparisonOperator": "NULL"}}),
                "Attempted conditional constraint is not an indexable operation",
            ),
            (
                query(KeyConditions={name: {"ComparisonOperator": "EQ", "AttributeValueList": [x]} for name in "abc"}),
                "Conditions can be of length 1 or 2 only",
            ),
            (
                query(KeyConditions={"a": {"ComparisonOperator": "LT", "AttributeValueList": [{"BOOL": True}]}}),
                INVALID + "ComparisonOperator LT is not valid for BOOL AttributeValue type",
            ),
            (condition("a = :a AND a = :a", a=x), "KeyConditionExpressions must only contain one condition per key"),
            (condition("a = :a OR b = :a", a=x), "Invalid operator used in KeyConditionExpression: OR"),
            (condition("NOT a = :a", a=x), "Invalid operator used in KeyConditionExpression: NOT"),
            (condition("a <> :a", a=x), "Invalid operator used in KeyConditionExpression: <>"),
            (condition("a IN (:a)", a=x), "Invalid operator used in KeyConditionExpression: IN"),
            (condition("attribute_exists(a)"), "Invalid operator used in KeyConditionExpression: attribute_exists"),
            (condition("a.b = :a", a=x), "KeyConditionExpressions cannot have conditions on nested attributes"),
            (condition("size(a) = :a", a=x), "KeyConditionExpressions cannot contain nested operations"),
            (condition("a = b"), "Invalid condition in KeyConditionExpression: Multiple attribute names used in one condition"),
            (condition(":a = :a", a=x), "Invalid condition in KeyConditionExpression: No key attribute specified"),
            (
                condition("begins_with(:a, b)", a=x),
                "Invalid condition in KeyConditionExpression: begins_with operator must have the key attribute as its first operand",
            ),
            (condition(""), invalid + "The expression can not be empty;"),
            (condition("b = :a", a=x), "Query condition missed key schema element: a"),
            (condition("a = :a AND c = :a", a=x), "Query condition missed key schema element: b"),
            (condition("a < :a", a=x), "Query key condition not supported"),
            (condition("a = :a", a=N("1")), INVALID + "Condition parameter type does not match schema type"),
            (condition("a = :a AND b < :b", a=x, b=N("1")), INVALID + "Condition parameter type does not match schema type"),
            ({**condition("a = :a", a=x), "IndexName": "gone"}, "The table does not have the specified index: gone"),
            (
                {**condition("c = :a", a=x), "IndexName": "global", "ConsistentRead": True},
                "Consistent reads are not supported on global secondary indexes",
            ),
            (
                {**condition("c = :a", a=x), "IndexName": "global", "Select": "ALL_ATTRIBUTES"},
                INVALID + "Select type ALL_ATTRIBUTES is not supported for global secondary index global because its projection type is "
                "not ALL",
            ),
            (
                {**condition("a = :a", a=x), "Select": "ALL_PROJECTED_ATTRIBUTES"},
                "ALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName",
            ),
            (
                {**condition("a = :a", a=x), "Select": "SPECIFIC_ATTRIBUTES"},
                "Must specify the AttributesToGet or ProjectionExpression when choosing to get SPECIFIC_ATTRIBUTES",
            ),
            (
                {**condition("a = :a", a=x), "Select": "COUNT", "ProjectionExpression": "a"},
                "Cannot specify the ProjectionExpression when choosing to get only the Count",
            ),
            (
                {**condition("a = :a", a=x), "FilterExpression": "b = :a"},
                "Filter Expression can only contain non-primary key attributes: Primary key attribute: b",
            ),
            ({**condition("a = :a", a=x), "ExclusiveStartKey": {"a": {}}}, f"{start}: {EMPTY}"),
            ({**condition("a = :a", a=x), "ExclusiveStartKey": {}}, start),
            ({**condition("a = :a", a=x), "ExclusiveStartKey": K}, start),
            ({**condition("a = :a", a=x), "ExclusiveStartKey": {**K, "b": N("1")}}, start),
            (
                {**condition("a = :a", a=S("z")), "ExclusiveStartKey": KR},
                "The provided starting key is outside query boundaries based on provided conditions",
            ),
            (
                {**condition("a = :a AND b > :b", a=x, b=S("z")), "ExclusiveStartKey": KR},
                "The provided starting key does not match the range key predicate",
            ),
            (
                query(
                    AttributesToGet=["a"],
                    QueryFilter={},
                    ConditionalOperator="OR",
                    KeyConditions={},
                    ProjectionExpression="a",
                    FilterExpression="a",
                    KeyConditionExpression="a",
                ),
                MIXED + "Non-expression parameters: {AttributesToGet, QueryFilter, ConditionalOperator, KeyConditions} Expression "
                "parameters: {ProjectionExpression, FilterExpression, KeyConditionExpression}",
            ),
        ],
    )
    expect(
        "Scan",
        [
            (
                {"TableName": "abc", "Segment": -1, "TotalSegments": 0, "Limit": 0},
                broken(("0", "totalSegments", least(1)), ("-1", "segment", least(0)), ("0", "limit", least(1))),
            ),
            (
                {"TableName": "abc", "Segment": 1000000, "TotalSegments": 1000001},
                broken(("1000001", "totalSegments", most(1000000)), ("1000000", "segment", most(999999))),
            ),
            (
                {"TableName": "abc", "Segment": 0},
                "The TotalSegments parameter is required but was not present in the request when Segment parameter is present",
            ),
            (
                {"TableName": "abc", "TotalSegments": 1},
                "The Segment parameter is required but was not present in the request when parameter TotalSegments is present",
            ),
            (
                {"TableName": "abc", "Segment": 2, "TotalSegments": 2},
                "The Segment parameter is zero-based and must be less than parameter TotalSegments: Segment: 2 is not less than "
                "TotalSegments: 2",
            ),
            ({"TableName": "hash", "ExclusiveStartKey": {}}, f"{start}: {NO_SCHEMA}"),
            ({"TableName": "hash", "ExclusiveStartKey": {"a": N("1")}}, f"{start}: {NO_SCHEMA}"),
            ({"TableName": "hash", "ExclusiveStartKey": {"a": {"N": "x"}}}, f"{start}: The parameter cannot be converted to a numeric value: x"),
            (
                {"TableName": "hash", "ScanFilter": {"a": {"ComparisonOperator": "IN", "AttributeValueList": []}}},
                INVALID + "Invalid number of argument(s) for the IN ComparisonOperator",
            ),
            (
                {"TableName": "hash", "ScanFilter": {"a": {"ComparisonOperator": "CONTAINS", "AttributeValueList": [{"SS": ["x"]}]}}},
                INVALID + "ComparisonOperator CONTAINS is not valid for SS AttributeValue type",
            ),
            (
                {"TableName": "hash", "ScanFilter": {"a": {"ComparisonOperator": "x"}}},
                broken(
                    (
                        "x",
                        "scanFilter.a.member.comparisonOperator",
                        one_of("IN", "NULL", "BETWEEN", "LT", "NOT_CONTAINS", "EQ", "GT", "NOT_NULL", "NE", "LE", "BEGINS_WITH", "CONTAINS", "GE"),
                    )
                ),
            ),
            (
                {"TableName": "range", "IndexName": "global", "FilterExpression": "attribute_exists(d.x)"},
                SCALARS + "IndexKey: d",
            ),
            (
                {"TableName": "range", "IndexName": "local", "ProjectionExpression": "a, c[0]"},
                SCALARS + "IndexKey: c",
            ),
            (
                {"TableName": "range", "IndexName": "global", "ProjectionExpression": "a, f"},
                INVALID + "Global secondary index global does not project [f]",
            ),
        ],
    )


def shapes():
    """Which members an answer has."""
    ok("DeleteItem", {"TableName": "hash", "Key": K})
    none = {"FilterExpression": "attribute_exists(nothing)", "TableName": "hash"}
    assert ok("Scan", none) == {"Count": 0, "Items": [], "ScannedCount": 0}
    assert ok("Scan", {**none, "Select": "COUNT"}) == {"Count": 0, "ScannedCount": 0}
    of = {"KeyConditionExpression": "a = :a", "ExpressionAttributeValues": {":a": S("x")}, "TableName": "hash"}
    assert ok("Query", {**of, "Select": "COUNT"}) == {"Count": 0, "ScannedCount": 0}
    item = {**KR, "c": S("z")}
    ok("PutItem", {"TableName": "range", "Item": {**item, "more": S("f")}})
    of = {**of, "TableName": "range", "IndexName": "local", "FilterExpression": "attribute_exists(more)"}
    assert ok("Query", of)["Items"] == [item], "what the index projects, although the filter needs more"
    assert ok("Query", {**of, "Select": "ALL_ATTRIBUTES"})["Items"] == [{**item, "more": S("f")}]
    ok("DeleteItem", {"TableName": "range", "Key": KR})
    empty = INVALID + "Attribute name must be 1 to 65535 bytes long"
    expect("GetItem", [({"TableName": "hash", "Key": K, "AttributesToGet": [""]}, empty)])


def arns():
    """A table is named by its ARN as well."""
    arn = ok("DescribeTable", {"TableName": "hash"})["Table"]["TableArn"]
    assert ok("DescribeTable", {"TableName": arn})["Table"]["TableName"] == "hash"
    item = {**K, "b": N("1")}
    ok("PutItem", {"TableName": arn, "Item": item})
    assert ok("GetItem", {"TableName": arn.replace("us-east-1", "eu-central-1"), "Key": K})["Item"] == item
    assert ok("Scan", {"TableName": arn})["Items"] == [item]
    assert ok("BatchGetItem", {"RequestItems": {arn: {"Keys": [K]}}})["Responses"] == {arn: [item]}
    assert ok("BatchWriteItem", {"RequestItems": {arn: [{"DeleteRequest": {"Key": K}}]}})["UnprocessedItems"] == {}
    check = {"ConditionCheck": {"TableName": arn, "Key": K, "ConditionExpression": "attribute_not_exists(a)"}}
    ok("TransactWriteItems", {"TransactItems": [check]})
    assert ok("TransactGetItems", {"TransactItems": [{"Get": {"TableName": arn, "Key": K}}]})["Responses"] == [{}]
    total = {"ReturnConsumedCapacity": "TOTAL"}
    for operation, request in (
        ("PutItem", {"TableName": arn, "Item": item}),
        ("UpdateItem", {"TableName": arn, "Key": K}),
        ("GetItem", {"TableName": arn, "Key": K}),
        ("Query", {"TableName": arn, "KeyConditionExpression": "a = :a", "ExpressionAttributeValues": {":a": S("x")}}),
        ("Scan", {"TableName": arn}),
        ("BatchGetItem", {"RequestItems": {arn: {"Keys": [K]}}}),
        ("BatchWriteItem", {"RequestItems": {arn: [{"PutRequest": {"Item": item}}]}}),
        ("TransactGetItems", {"TransactItems": [{"Get": {"TableName": arn, "Key": K}}]}),
        ("TransactWriteItems", {"TransactItems": [{"Delete": {"TableName": arn, "Key": K}}]}),
        ("DeleteItem", {"TableName": arn, "Key": K}),
    ):
        consumed = ok(operation, {**request, **total})["ConsumedCapacity"]
        assert [each["TableName"] for each in (consumed if isinstance(consumed, list) else [consumed])] == [arn], (operation, consumed)
    nowhere = arn.replace("hash", "nowhere")
    expect("GetItem", [({"TableName": nowhere, "Key": K}, ("ResourceNotFoundException", "Requested resource not found"))])
    expect("Scan", [({"TableName": wrong}, broken((wrong, "tableName", PATTERN))) for wrong in (arn + "/index/x", "arn:aws:s3:::hash")])


def batches():
    put = lambda item: {"PutRequest": {"Item": item}}  # noqa: E731
    writes = lambda *requests: {"RequestItems": {"hash": list(requests)}}  # noqa: E731
    gets = lambda keys, **more: {"RequestItems": {"hash": {"Keys": keys, **more}}}  # noqa: E731
    names = (
        "Map keys must satisfy constraint: [Member must have length less than or equal to 255, Member must have length greater than or "
        f"equal to 3, {PATTERN}]"
    )
    twice = "Provided list of item keys contains duplicates"
    expect(
        "BatchWriteItem",
        [
            ({}, broken((None, "requestItems", NOT_NULL))),
            ({"RequestItems": {}}, broken(("{}", "requestItems", longer(1)))),
            ({"RequestItems": {"a": []}}, broken(("{a=[]}", "requestItems", names))),
            ({"RequestItems": {"abc": []}}, "The batch write request list for a table cannot be null or empty: abc"),
            (writes({"PutRequest": {}}), broken((None, "requestItems.hash.member.1.member.putRequest.item", NOT_NULL))),
            (
                {"RequestItems": {"hash": [put({"a": S(str(n))}) for n in range(13)], "range": [put({"a": S(str(n))}) for n in range(13)]}},
                "Too many items requested for the BatchWriteItem call",
            ),
            (writes({"PutRequest": {"Item": K}, "DeleteRequest": {"Key": K}}), TWICE),
            (writes(put({"a": {}})), EMPTY),
            (writes(put({"a": S("x" * 409600)})), "Item size has exceeded the maximum allowed size"),
            (writes(put(K), {"DeleteRequest": {"Key": K}}), twice),
            (writes({"DeleteRequest": {"Key": KR}}), NO_SCHEMA),
            ({"RequestItems": {"nowhere": [put(K)]}}, ("ResourceNotFoundException", "Requested resource not found")),
        ],
    )
    expect(
        "BatchGetItem",
        [
            ({"RequestItems": {"abc": {}}}, broken((None, "requestItems.abc.member.keys", NOT_NULL))),
            (gets([]), broken(("[]", "requestItems.hash.member.keys", longer(1)))),
            (gets([K, K]), twice),
            ({"RequestItems": {"nowhere": {"Keys": [{"a": N("1")}, {"a": N("1.0")}]}}}, twice),
            (
                {
                    "RequestItems": {
                        "hash": {"Keys": [K], "ProjectionExpression": "a"},
                        "range": {"Keys": [KR], "AttributesToGet": ["a"]},
                    }
                },
                MIXED + "Non-expression parameters: {AttributesToGet} Expression parameters: {ProjectionExpression}",
            ),
            (gets([{"a": S("x")}, {"a": N("1")}]), NO_SCHEMA),
            (gets([K], ProjectionExpression="a", AttributesToGet=["a"]), MIXED + "Non-expression parameters: {AttributesToGet} Expression parameters: {ProjectionExpression}"),
            (
                {
                    "RequestItems": {
                        name: {"Keys": [{"a": S(f"{name}{n}")} for n in range(51)]} for name in ("abc", "abd")
                    }
                },
                "Too many items requested for the BatchGetItem call",
            ),
        ],
    )


def transactions():
    def write(*actions):
        return {"TransactItems": list(actions)}

    put = lambda item: {"Put": {"TableName": "hash", "Item": item}}  # noqa: E731
    empty = "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty "
    expect(
        "TransactWriteItems",
        [
            ({}, broken((None, "transactItems", NOT_NULL))),
            (write(), broken(("[]", "transactItems", longer(1)))),
            (write({}), "Invalid Request: TransactWriteRequest should contain Delete or Put or Update request"),
            (
                write({**put(K), "Delete": {"TableName": "hash", "Key": K}}),
                "TransactItems can only contain one of Check, Put, Update or Delete",
            ),
            (write(put(K), put(K)), "Transaction request cannot include multiple operations on one item"),
            (write(put({"a": {}})), EMPTY),
            (write(put({"a": S("")})), empty + "string value. Key: a"),
            (write({"Delete": {"TableName": "hash", "Key": {"a": S("")}}}), empty + "string value. Key: a"),
            (
                write({"Put": {"TableName": "range", "Item": {**KR, "d": S("")}}}),
                "One or more parameter values are not valid. A value specified for a secondary index key is not supported. The "
                "AttributeValue for a key attribute cannot contain an empty string value. IndexName: global, IndexKey: d",
            ),
            (
                write(put({"a": N("1")})),
                (
                    "TransactionCanceledException",
                    "Transaction cancelled, please refer cancellation reasons for specific reasons [ValidationError]",
                ),
            ),
            ({**write(put(K)), "ClientRequestToken": "x" * 37}, broken(("x" * 37, "clientRequestToken", shorter(36)))),
            (
                write(put(K), {"ConditionCheck": {"TableName": "hash", "Key": {"a": S("y")}, "ConditionExpression": "attribute_exists(a)"}}),
                (
                    "TransactionCanceledException",
                    "Transaction cancelled, please refer cancellation reasons for specific reasons [None, ConditionalCheckFailed]",
                ),
            ),
        ],
    )
    token = {"ClientRequestToken": "once"}
    ok("TransactWriteItems", {**write(put({"a": S("token")})), **token})
    mismatch = (
        "IdempotentParameterMismatchException",
        "DynamoDB rejected the request because you retried a request with a different payload but with an idempotent token that was "
        "already used.",
    )
    expect("TransactWriteItems", [({**write(put({"a": S("other")})), **token}, mismatch)])
    ok("DeleteItem", {"TableName": "hash", "Key": {"a": S("token")}})
    expect(
        "TransactGetItems",
        [
            (write({}), broken((None, "transactItems.1.member.get", NOT_NULL))),
            (
                write({"Get": {"TableName": "hash", "Key": {"a": N("1")}}}),
                (
                    "TransactionCanceledException",
                    "Transaction cancelled, please refer cancellation reasons for specific reasons [ValidationError]",
                ),
            ),
        ],
    )
