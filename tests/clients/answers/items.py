"""Items, keys and expressions of writes."""

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
    expect,
    longer,
    ok,
    one_of,
    shorter,
)


def values():
    def put(value):
        return {"TableName": "abc", "Item": {"a": value}}

    over = "Number overflow. Attempting to store a number with magnitude larger than supported range"
    under = "Number underflow. Attempting to store a number with magnitude smaller than supported range"
    digits = "Attempting to store more than 38 significant digits in a Number"
    expect(
        "PutItem",
        [
            (put({}), EMPTY),
            (put({"X": "x"}), EMPTY),
            (put({"S": "x", "N": "1"}), TWICE),
            (put({"M": {"b": {}}}), EMPTY),
            (put({"L": [{"S": ""}, {}]}), EMPTY),
            (put({"NULL": False}), INVALID + "Null attribute value types must have the value of true"),
            (put({"SS": []}), INVALID + "An string set  may not be empty"),
            (put({"NS": []}), INVALID + "An number set  may not be empty"),
            (put({"BS": []}), INVALID + "Binary sets should not be empty"),
            (put({"SS": ["a", "a"]}), INVALID + "Input collection [a, a] contains duplicates."),
            (put({"NS": ["1", "1.0"]}), "Input collection contains duplicates"),
            (put({"BS": ["Yg==", "Yg=="]}), INVALID + "Input collection [Yg==, Yg==]of type BS contains duplicates."),
            (put(N("")), "The parameter cannot be converted to a numeric value"),
            (put(N("b")), "The parameter cannot be converted to a numeric value: b"),
            (put({"NS": ["1", "x"]}), "The parameter cannot be converted to a numeric value: x"),
            (put(N("1e126")), over),
            (put(N("-1e126")), over),
            (put(N("1" + "0" * 126)), over),
            (put(N("1e-131")), under),
            (put(N("1" * 39)), digits),
            (put(N("1." + "1" * 38)), digits),
            ({"TableName": "abc", "Item": {}, "ReturnValues": "ALL_NEW"}, "ReturnValues can only be ALL_OLD or NONE"),
            (put(S("x" * 409600)), "Item size has exceeded the maximum allowed size"),
            ({**put(S("x" * 409600)), "ReturnValues": "UPDATED_NEW"}, "ReturnValues can only be ALL_OLD or NONE"),
        ],
    )


def puts():
    item = {"TableName": "abc", "Item": {}}
    expect(
        "PutItem",
        [
            ({}, broken((None, "tableName", NOT_NULL), (None, "item", NOT_NULL))),
            (
                {"TableName": ""},
                broken(("", "tableName", PATTERN), ("", "tableName", longer(3)), (None, "item", NOT_NULL)),
            ),
            ({"TableName": "a;", "Item": {}}, broken(("a;", "tableName", PATTERN), ("a;", "tableName", longer(3)))),
            ({"TableName": "a" * 256, "Item": {}}, broken(("a" * 256, "tableName", shorter(255)))),
            (
                {"TableName": "abc;", "ReturnConsumedCapacity": "hi", "ReturnItemCollectionMetrics": "hi", "ReturnValues": "hi"},
                broken(
                    ("hi", "returnConsumedCapacity", one_of("INDEXES", "TOTAL", "NONE")),
                    ("abc;", "tableName", PATTERN),
                    (None, "item", NOT_NULL),
                    ("hi", "returnItemCollectionMetrics", one_of("SIZE", "NONE")),
                    ("hi", "returnValues", one_of("ALL_NEW", "UPDATED_OLD", "ALL_OLD", "NONE", "UPDATED_NEW")),
                ),
            ),
            (
                {**item, "Expected": {"a": {}}, "ConditionExpression": "", "ExpressionAttributeNames": {}, "ExpressionAttributeValues": {}},
                MIXED + "Non-expression parameters: {Expected} Expression parameters: {ConditionExpression}",
            ),
            ({**item, "ExpressionAttributeNames": {}}, "ExpressionAttributeNames can only be specified when using expressions"),
            (
                {**item, "ExpressionAttributeValues": {}},
                "ExpressionAttributeValues can only be specified when using expressions: ConditionExpression is null",
            ),
            ({**item, "ConditionExpression": "", "ExpressionAttributeNames": {}}, "ExpressionAttributeNames must not be empty"),
            (
                {**item, "ConditionExpression": "", "ExpressionAttributeNames": {"a": "a"}},
                'ExpressionAttributeNames contains invalid key: Syntax error; key: "a"',
            ),
            ({**item, "ConditionExpression": "", "ExpressionAttributeValues": {}}, "ExpressionAttributeValues must not be empty"),
            (
                {**item, "ConditionExpression": "", "ExpressionAttributeValues": {"b": S("a")}},
                'ExpressionAttributeValues contains invalid key: Syntax error; key: "b"',
            ),
            (
                {**item, "ConditionExpression": "", "ExpressionAttributeValues": {":b": {}}},
                f"ExpressionAttributeValues contains invalid value: {EMPTY} for key :b",
            ),
            (
                {**item, "ConditionExpression": "", "ExpressionAttributeValues": {":b": {"NS": []}}},
                f"ExpressionAttributeValues contains invalid value: {INVALID}An number set  may not be empty for key :b",
            ),
            ({**item, "ConditionExpression": ""}, "Invalid ConditionExpression: The expression can not be empty;"),
            ({**item, "Expected": {"a": {}}}, INVALID + "Value must be provided when Exists is null for Attribute: a"),
            ({**item, "Expected": {"a": {"Exists": True}}}, INVALID + "Value must be provided when Exists is true for Attribute: a"),
            (
                {**item, "Expected": {"a": {"Exists": False, "Value": S("x")}}},
                INVALID + "Value cannot be used when Exists is false for Attribute: a",
            ),
            (
                {**item, "Expected": {"a": {"Value": S("a"), "AttributeValueList": []}}},
                INVALID + "Value and AttributeValueList cannot be used together for Attribute: a",
            ),
            (
                {**item, "Expected": {"a": {"AttributeValueList": []}}},
                INVALID + "AttributeValueList can only be used with a ComparisonOperator for Attribute: a",
            ),
            (
                {**item, "Expected": {"a": {"ComparisonOperator": "GT"}}},
                INVALID + "Value or AttributeValueList must be used with ComparisonOperator: GT for Attribute: a",
            ),
            (
                {**item, "Expected": {"a": {"ComparisonOperator": "EQ", "Exists": False}}},
                INVALID + "Exists and ComparisonOperator cannot be used together for Attribute: a",
            ),
            (
                {**item, "Expected": {"a": {"ComparisonOperator": "BETWEEN", "AttributeValueList": [S("a")]}}},
                INVALID + "Invalid number of argument(s) for the BETWEEN ComparisonOperator",
            ),
            (
                {**item, "Expected": {"a": {"ComparisonOperator": "NULL", "Value": S("a")}}},
                INVALID + "Invalid number of argument(s) for the NULL ComparisonOperator",
            ),
            (
                {**item, "Expected": {"a": {"ComparisonOperator": "BETWEEN", "AttributeValueList": [S("b"), S("a")]}}},
                "The BETWEEN condition was provided a range where the lower bound is greater than the upper bound",
            ),
            ({**item, "ConditionalOperator": "OR"}, INVALID + "ConditionalOperator cannot be used without Filter or Expected"),
            ({"TableName": "nowhere", "Item": K}, ("ResourceNotFoundException", "Requested resource not found")),
            ({"TableName": "hash", "Item": {}}, INVALID + "Missing the key a in the item"),
            ({"TableName": "hash", "Item": {"b": S("x")}}, INVALID + "Missing the key a in the item"),
            ({"TableName": "range", "Item": K}, INVALID + "Missing the key b in the item"),
            ({"TableName": "hash", "Item": {"a": N("1")}}, INVALID + "Type mismatch for key a expected: S actual: N"),
            (
                {"TableName": "hash", "Item": {"a": S("")}},
                "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty string "
                "value. Key: a",
            ),
            (
                {"TableName": "hash", "Item": {"a": S("x" * 2049)}},
                INVALID + "Size of hashkey has exceeded the maximum size limit of2048 bytes",
            ),
            (
                {"TableName": "range", "Item": {"a": S("x"), "b": S("x" * 1025)}},
                INVALID + "Aggregated size of all range keys has exceeded the size limit of 1024 bytes",
            ),
            (
                {"TableName": "range", "Item": {**KR, "c": N("1")}},
                INVALID + "Type mismatch for Index Key c Expected: S Actual: N IndexName: global",
            ),
            ({"TableName": "range", "Item": {"a": S("x"), "c": N("1")}}, INVALID + "Missing the key b in the item"),
            (
                {"TableName": "range", "Item": {**KR, "d": S("")}},
                "One or more parameter values are not valid. A value specified for a secondary index key is not supported. The "
                "AttributeValue for a key attribute cannot contain an empty string value. IndexName: global, IndexKey: d",
            ),
        ],
    )


def conditions():
    def put(expression, **values):
        body = {"TableName": "abc", "Item": {}, "ConditionExpression": expression}
        if values:
            body["ExpressionAttributeValues"] = {f":{name}": value for name, value in values.items()}
        return body

    def near(token, text):
        return f'Syntax error; token: "{token}", near: "{text}"'

    operand = "Incorrect operand type for operator or function; operator or function: "
    between = "The BETWEEN operator requires "
    cases = [
        (put("whatever"), near("<EOF>", "whatever")),
        (put("things are not gonna be ok"), near("are", "things are not")),
        (put("a > 4"), near("4", "> 4")),
        (put("a IN ()"), near(")", "()")),
        (put("size(a)"), "The function is not allowed to be used this way in an expression; function: size"),
        (put("attribute_exists(a) = b"), "The function is not allowed to be used this way in an expression; function: attribute_exists"),
        (put("a = nope(b)"), "Invalid function name; function: nope"),
        (put("a = if_not_exists(b, c)"), "The function is not allowed in a condition expression; function: if_not_exists"),
        (put("abort = a"), "Attribute name is a reserved keyword; reserved keyword: abort"),
        (put("a.Size = b"), "Attribute name is a reserved keyword; reserved keyword: Size"),
        (put("((a = b))"), "The expression has redundant parentheses;"),
        (put("#a = b"), "An expression attribute name used in the document path is not defined; attribute name: #a"),
        (put("a = :a"), "An expression attribute value used in expression is not defined; attribute value: :a"),
        (put("a = a"), "The first operand must be distinct from the remaining operands for this operator or function; operator: =, first operand: [a]"),
        (put("begins_with(a)"), "Incorrect number of operands for operator or function; operator or function: begins_with, number of operands: 1"),
        (put("begins_with(a, :a)", a=N("1")), operand + "begins_with, operand type: N"),
        (put("attribute_exists(:a)", a=N("1")), "Operator or function requires a document path; operator or function: attribute_exists"),
        (put("attribute_type(a, b)"), operand + "attribute_type, operand type: {NS,SS,L,BS,N,M,B,BOOL,NULL,S}"),
        (put("attribute_type(a, :a)", a=S("X")), "Invalid attribute type name found; type: X, valid types: {B,NULL,SS,BOOL,L,BS,N,NS,S,M}"),
        (put("size(:a) = b", a=N("1")), operand + "size, operand type: N"),
        (put("a < :a", a={"BOOL": True}), operand + "<, operand type: BOOL"),
        (
            put("a BETWEEN :b AND :a", a=S("a"), b=S("b")),
            between + "upper bound to be greater than or equal to lower bound; lower bound operand: AttributeValue: {S:b}, upper bound "
            "operand: AttributeValue: {S:a}",
        ),
        (
            put("a BETWEEN :b AND :a", a=S("a"), b=N("1")),
            between + "same data type for lower and upper bounds; lower bound operand: AttributeValue: {N:1}, upper bound operand: "
            "AttributeValue: {S:a}",
        ),
        (put("a = :a" + " OR a = :a" * 150, a=N("1")), "The expression contains too many operators; operator count: 301"),
        (put("a" * 4096 + " = b"), "Expression size has exceeded the maximum allowed size; expression size: 4100"),
    ]
    expect("PutItem", [(body, "Invalid ConditionExpression: " + message) for body, message in cases])
    expect(
        "PutItem",
        [
            (put("a = b", a=N("1")), "Value provided in ExpressionAttributeValues unused in expressions: keys: {:a}"),
            (
                {**put("a = b"), "ExpressionAttributeNames": {"#a": "x"}},
                "Value provided in ExpressionAttributeNames unused in expressions: keys: {#a}",
            ),
        ],
    )


def keys():
    for operation in ("GetItem", "DeleteItem", "UpdateItem"):
        expect(
            operation,
            [
                ({}, broken((None, "tableName", NOT_NULL), (None, "key", NOT_NULL))),
                ({"TableName": "abc", "Key": {"a": {}}}, EMPTY),
                ({"TableName": "nowhere", "Key": K}, ("ResourceNotFoundException", "Requested resource not found")),
                ({"TableName": "hash", "Key": {}}, NO_SCHEMA),
                ({"TableName": "hash", "Key": {"b": S("x")}}, NO_SCHEMA),
                ({"TableName": "hash", "Key": {"a": N("1")}}, NO_SCHEMA),
                ({"TableName": "hash", "Key": KR}, NO_SCHEMA),
                ({"TableName": "range", "Key": K}, NO_SCHEMA),
                (
                    {"TableName": "hash", "Key": {"a": S("x" * 2049)}},
                    INVALID + "Size of hashkey has exceeded the maximum size limit of2048 bytes",
                ),
            ],
        )
    expect(
        "GetItem",
        [
            ({"TableName": "abc", "Key": K, "AttributesToGet": []}, broken(("[]", "attributesToGet", longer(1)))),
            (
                {"TableName": "abc", "Key": K, "AttributesToGet": ["a", "a"]},
                INVALID + "Duplicate value in attribute name: a",
            ),
            (
                {"TableName": "abc", "Key": {"a": {}}, "AttributesToGet": ["a"], "ProjectionExpression": "a"},
                MIXED + "Non-expression parameters: {AttributesToGet} Expression parameters: {ProjectionExpression}",
            ),
            (
                {"TableName": "abc", "Key": K, "ProjectionExpression": "a.b, a"},
                "Invalid ProjectionExpression: Two document paths overlap with each other; must remove or rewrite one of these paths; "
                "path one: [a, b], path two: [a]",
            ),
            (
                {"TableName": "abc", "Key": K, "ProjectionExpression": "a[1], b, a.c"},
                "Invalid ProjectionExpression: Two document paths conflict with each other; must remove or rewrite one of these paths; "
                "path one: [a, [1]], path two: [a, c]",
            ),
            ({"TableName": "abc", "Key": K, "ProjectionExpression": ""}, "Invalid ProjectionExpression: The expression can not be empty;"),
            (
                {"TableName": "hash", "Key": K, "ProjectionExpression": "a.b"},
                SCALARS + "Key: a",
            ),
            ({"TableName": "hash", "Key": {}, "ProjectionExpression": "a.b"}, NO_SCHEMA),
        ],
    )


def updates():
    base = {"TableName": "hash", "Key": K}

    def update(expression, **values):
        body = {**base, "UpdateExpression": expression}
        if values:
            body["ExpressionAttributeValues"] = {f":{name}": value for name, value in values.items()}
        return body

    operand = "Incorrect operand type for operator or function; "
    cases = [
        (update(""), "The expression can not be empty;"),
        (update("whatever"), 'Syntax error; token: "whatever", near: "whatever"'),
        (update("set a = "), 'Syntax error; token: "<EOF>", near: "="'),
        (update("set a = :a set b = :b"), 'The "set" section can only be used once in an update expression;'.replace("set", "SET")),
        (update("set abort = :a"), "Attribute name is a reserved keyword; reserved keyword: abort"),
        (update("set b = size(c)"), "The function is not allowed in an update expression; function: size"),
        (update("set b = nope(c)"), "Invalid function name; function: nope"),
        (update("set #b = c"), "An expression attribute name used in the document path is not defined; attribute name: #b"),
        (update("set b = :a"), "An expression attribute value used in expression is not defined; attribute value: :a"),
        (update("add b :a", a=S("x")), operand + "operator: ADD, operand type: STRING, typeSet: ALLOWED_FOR_ADD_OPERAND"),
        (update("delete b :a", a=N("1")), operand + "operator: DELETE, operand type: NUMBER, typeSet: ALLOWED_FOR_DELETE_OPERAND"),
        (update("add b :a", a={"L": []}), operand + "operator: ADD, operand type: LIST, typeSet: ALLOWED_FOR_ADD_OPERAND"),
        (update("add b :a", a={"M": {}}), operand + "operator: ADD, operand type: MAP, typeSet: ALLOWED_FOR_ADD_OPERAND"),
        (update("set b = c + :a", a=S("x")), operand + "operator or function: +, operand type: S"),
        (update("set b = list_append(c, :a)", a=S("x")), operand + "operator or function: list_append, operand type: S"),
        (update("set b = if_not_exists(:a, c)", a=S("x")), "Operator or function requires a document path; operator or function: if_not_exists"),
        (
            update("set b = c, b.c = d"),
            "Two document paths overlap with each other; must remove or rewrite one of these paths; path one: [b], path two: [b, c]",
        ),
    ]
    expect("UpdateItem", [(body, "Invalid UpdateExpression: " + message) for body, message in cases])
    path = "The document path provided in the update expression is invalid for update"
    kind = "An operand in the update expression has an incorrect data type"
    ok("PutItem", {"TableName": "hash", "Item": {**K, "s": S("x"), "n": N("1"), "l": {"L": []}}})
    expect(
        "UpdateItem",
        [
            (update("set a = c"), INVALID + "Cannot update attribute a. This attribute is part of the key"),
            (update("set b = c"), "The provided expression refers to an attribute that does not exist in the item"),
            (update("set b.c = :a", a=N("1")), path),
            (update("remove b.c"), path),
            (update("set s[0] = :a", a=N("1")), path),
            (update("set b = s + n"), kind),
            (update("add s :a", a=N("1")), kind),
            (update("add n :a", a={"NS": ["1"]}), kind),
            (update("delete l :a", a={"NS": ["1"]}), kind),
            (update("set b = :a", a=S("x" * 409600)), "Item size to update has exceeded the maximum allowed size"),
            (
                {**update("set c = :a", a=N("1")), "TableName": "range", "Key": KR},
                INVALID + "Type mismatch for Index Key c Expected: S Actual: N IndexName: global",
            ),
            ({**update("set c.d = :a", a=N("1")), "TableName": "range", "Key": KR}, SCALARS + "IndexKey: c"),
            ({**update("remove d[0]"), "TableName": "range", "Key": KR}, SCALARS + "IndexKey: d"),
            (
                {**base, "AttributeUpdates": {"b": {}}},
                INVALID + "Only DELETE action is allowed when no attribute value is specified",
            ),
            (
                {**base, "AttributeUpdates": {"b": {"Action": "DELETE", "Value": S("x")}}},
                INVALID + "DELETE action with value is not supported for the type S",
            ),
            (
                {**base, "AttributeUpdates": {"b": {"Action": "ADD", "Value": {"BOOL": True}}}},
                INVALID + "ADD action is not supported for the type BOOL",
            ),
            ({**base, "AttributeUpdates": {"s": {"Action": "ADD", "Value": N("1")}}}, "Type mismatch for attribute to update"),
            (
                {**base, "UpdateExpression": "", "ConditionExpression": "", "AttributeUpdates": {}, "Expected": {}},
                MIXED + "Non-expression parameters: {AttributeUpdates, Expected} Expression parameters: {UpdateExpression, "
                "ConditionExpression}",
            ),
            (
                {**base, "ExpressionAttributeValues": {":a": S("x")}},
                "ExpressionAttributeValues can only be specified when using expressions: UpdateExpression and ConditionExpression are "
                "null",
            ),
            (
                {**update("set b = :a", a=N("1")), "ConditionExpression": "attribute_exists(gone)"},
                ("ConditionalCheckFailedException", "The conditional request failed"),
            ),
        ],
    )
