"""Tables."""

from asking import INVALID, NOT_NULL, PATTERN, broken, expect, least, longer, most


def tables():
    def table(**more):
        return {
            "TableName": "abc",
            "AttributeDefinitions": [{"AttributeName": name, "AttributeType": "S"} for name in "ab"],
            "KeySchema": [{"AttributeName": "a", "KeyType": "HASH"}, {"AttributeName": "b", "KeyType": "RANGE"}],
            "BillingMode": "PAY_PER_REQUEST",
            **more,
        }

    def key(*elements):
        return [{"AttributeName": name, "KeyType": kind} for name, kind in elements]

    def local(**more):
        index = {"IndexName": "local", "KeySchema": key(("a", "HASH"), ("b", "RANGE")), "Projection": {"ProjectionType": "ALL"}}
        return table(LocalSecondaryIndexes=[{**index, **more}])

    short = "TableName must be at least 3 characters long and at most 255 characters long"
    required = "The parameter 'TableName' is required but was not present in the request"
    for operation in ("CreateTable", "DescribeTable", "DeleteTable"):
        expect(operation, [({}, required), ({"TableName": "ab"}, short), ({"TableName": "x" * 256}, short)])
    for operation in ("DescribeTable", "DeleteTable"):
        expect(
            operation,
            [
                ({"TableName": "abc;"}, broken(("abc;", "tableName", PATTERN))),
                ({"TableName": "nowhere"}, ("ResourceNotFoundException", "Requested resource not found: Table: nowhere not found")),
            ],
        )
    expect(
        "CreateTable",
        [
            (
                {"TableName": "abc;", "AttributeDefinitions": [{}], "KeySchema": [], "ProvisionedThroughput": {"ReadCapacityUnits": -1, "WriteCapacityUnits": 0}},
                broken(
                    (None, "attributeDefinitions.1.member.attributeName", NOT_NULL),
                    (None, "attributeDefinitions.1.member.attributeType", NOT_NULL),
                    ("abc;", "tableName", PATTERN),
                    ("0", "provisionedThroughput.writeCapacityUnits", least(1)),
                    ("-1", "provisionedThroughput.readCapacityUnits", least(1)),
                    ("[]", "keySchema", longer(1)),
                ),
            ),
            (
                table(LocalSecondaryIndexes=[{}]),
                broken(
                    (None, "localSecondaryIndexes.1.member.projection", NOT_NULL),
                    (None, "localSecondaryIndexes.1.member.indexName", NOT_NULL),
                    (None, "localSecondaryIndexes.1.member.keySchema", NOT_NULL),
                ),
            ),
            (
                table(BillingMode=None),
                INVALID + "ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED",
            ),
            (
                table(ProvisionedThroughput={"ReadCapacityUnits": 1, "WriteCapacityUnits": 1}),
                INVALID + "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST",
            ),
            (
                table(BillingMode="PROVISIONED", ProvisionedThroughput={"ReadCapacityUnits": 1000000000001, "WriteCapacityUnits": 1}),
                "Given value 1000000000001 for ReadCapacityUnits is out of bounds",
            ),
            (table(AttributeDefinitions=[]), "Invalid KeySchema: Some index key attribute have no definition"),
            (
                table(KeySchema=key(("a", "HASH"), ("c", "RANGE"))),
                INVALID + "Some index key attributes are not defined in AttributeDefinitions. Keys: [a, c], AttributeDefinitions: [a, b]",
            ),
            (
                table(KeySchema=key(("a", "HASH"), ("a", "RANGE"))),
                "Both the Hash Key and the Range Key element in the KeySchema have the same name",
            ),
            (table(KeySchema=key(("a", "RANGE"))), "Invalid KeySchema: The first KeySchemaElement is not a HASH key type"),
            (table(KeySchema=key(("a", "HASH"), ("b", "HASH"))), "Invalid KeySchema: The second KeySchemaElement is not a RANGE key type"),
            (
                table(KeySchema=key(("a", "HASH"))),
                INVALID + "Number of attributes in KeySchema does not exactly match number of attributes defined in AttributeDefinitions",
            ),
            (table(LocalSecondaryIndexes=[]), INVALID + "List of LocalSecondaryIndexes is empty"),
            (table(GlobalSecondaryIndexes=[]), INVALID + "List of GlobalSecondaryIndexes is empty"),
            (
                {**local(), "KeySchema": key(("a", "HASH"))},
                INVALID + "Table KeySchema does not have a range key, which is required when specifying a LocalSecondaryIndex",
            ),
            (local(KeySchema=key(("a", "HASH"))), INVALID + "Index KeySchema does not have a range key for index: local"),
            (
                local(KeySchema=key(("b", "HASH"), ("a", "RANGE"))),
                INVALID + "Index KeySchema does not have the same leading hash key as table KeySchema for index: local. index hash key: "
                "b, table hash key: a",
            ),
            (local(Projection={}), INVALID + "Unknown ProjectionType: null"),
            (
                local(Projection={"ProjectionType": "ALL", "NonKeyAttributes": ["a"]}),
                INVALID + "ProjectionType is ALL, but NonKeyAttributes is specified",
            ),
            (local(Projection={"ProjectionType": "INCLUDE"}), INVALID + "ProjectionType is INCLUDE, but NonKeyAttributes is not specified"),
            (table(TableName="hash"), ("ResourceInUseException", "Table already exists: hash")),
        ],
    )
    expect(
        "ListTables",
        [
            ({"ExclusiveStartTableName": ""}, "ExclusiveStart" + short),
            (
                {"ExclusiveStartTableName": "abc;", "Limit": 500},
                broken(("abc;", "exclusiveStartTableName", PATTERN), ("500", "limit", most(100))),
            ),
            ({"Limit": 0}, broken(("0", "limit", least(1)))),
        ],
    )
