"""What is set of a table beside its items: TTL, tags, and what UpdateTable changes."""

import time

from asking import INVALID, NOT_NULL, broken, expect, least, longer, most, ok, one_of, shorter

REQUIRED = "The parameter 'TableName' is required but was not present in the request"
NOWHERE = ("ResourceNotFoundException", "Requested resource not found: Table: nowhere not found")


def time_to_live():
    def of(table="hash", **specification):
        return {"TableName": table, "TimeToLiveSpecification": specification}

    on, off = of(Enabled=True, AttributeName="ttl"), of(Enabled=False, AttributeName="ttl")
    at = "timeToLiveSpecification."
    expect(
        "UpdateTimeToLive",
        [
            ({}, REQUIRED),
            (of(), broken((None, at + "enabled", NOT_NULL), (None, at + "attributeName", NOT_NULL))),
            (of(Enabled=True, AttributeName=""), broken(("", at + "attributeName", longer(1)))),
            (of(Enabled=True, AttributeName="x" * 256), broken(("x" * 256, at + "attributeName", shorter(255)))),
            (of("nowhere", Enabled=True, AttributeName="ttl"), NOWHERE),
            (off, "TimeToLive is already disabled"),
        ],
    )
    assert ok("UpdateTimeToLive", on) == {"TimeToLiveSpecification": on["TimeToLiveSpecification"]}
    while (described := ok("DescribeTimeToLive", {"TableName": "hash"})["TimeToLiveDescription"])["TimeToLiveStatus"] == "ENABLING":
        time.sleep(0.05)
    assert described == {"TimeToLiveStatus": "ENABLED", "AttributeName": "ttl"}, described
    other = "TimeToLive is active on a different AttributeName: current AttributeName is ttl"
    expect(
        "UpdateTimeToLive",
        [
            (on, "TimeToLive is already enabled"),
            (of(Enabled=True, AttributeName="other"), other),
            (of(Enabled=False, AttributeName="other"), other),
        ],
    )
    ok("UpdateTimeToLive", off)
    assert ok("DescribeTimeToLive", {"TableName": "hash"}) == {"TimeToLiveDescription": {"TimeToLiveStatus": "DISABLED"}}
    expect("DescribeTimeToLive", [({}, REQUIRED), ({"TableName": "nowhere"}, NOWHERE)])


def tags():
    arn = ok("DescribeTable", {"TableName": "hash"})["Table"]["TableArn"]
    tag = {"Key": "k", "Value": "v"}
    nowhere = arn.replace("hash", "nowhere")
    gone = ("ResourceNotFoundException", f"Requested resource not found: ResourcArn: {nowhere} not found")
    no_arn = "Invalid TableArn: Invalid ResourceArn provided as input x"
    expect(
        "TagResource",
        [
            ({}, broken((None, "resourceArn", NOT_NULL), (None, "tags", NOT_NULL))),
            ({"ResourceArn": arn, "Tags": [{}]}, broken((None, "tags.1.member.value", NOT_NULL), (None, "tags.1.member.key", NOT_NULL))),
            ({"ResourceArn": arn, "Tags": [{**tag, "Key": ""}]}, broken(("", "tags.1.member.key", longer(1)))),
            ({"ResourceArn": arn, "Tags": [{**tag, "Key": "x" * 129}]}, broken(("x" * 129, "tags.1.member.key", shorter(128)))),
            ({"ResourceArn": arn, "Tags": [{**tag, "Value": "x" * 257}]}, broken(("x" * 257, "tags.1.member.value", shorter(256)))),
            ({"ResourceArn": arn, "Tags": []}, INVALID + "Atleast one Tag needs to be provided as Input."),
            ({"ResourceArn": "x", "Tags": [tag]}, no_arn),
            ({"ResourceArn": nowhere, "Tags": [tag]}, gone),
        ],
    )
    expect(
        "UntagResource",
        [
            ({}, broken((None, "resourceArn", NOT_NULL), (None, "tagKeys", NOT_NULL))),
            ({"ResourceArn": arn, "TagKeys": []}, INVALID + "Atleast one Tag Key needs to be provided as Input."),
            ({"ResourceArn": nowhere, "TagKeys": ["k"]}, gone),
        ],
    )
    expect(
        "ListTagsOfResource",
        [({}, broken((None, "resourceArn", NOT_NULL))), ({"ResourceArn": "x"}, no_arn), ({"ResourceArn": nowhere}, gone)],
    )
    assert ok("TagResource", {"ResourceArn": arn, "Tags": [tag]}) == {}
    assert ok("ListTagsOfResource", {"ResourceArn": arn}) == {"Tags": [tag]}
    assert ok("UntagResource", {"ResourceArn": arn, "TagKeys": ["k", "none"]}) == {}
    assert ok("ListTagsOfResource", {"ResourceArn": arn}) == {"Tags": []}


def updates():
    def update(table="hash", **changes):
        return {"TableName": table, **changes}

    def create(name, attribute="a"):
        key = [{"AttributeName": attribute, "KeyType": "HASH"}]
        return {"Create": {"IndexName": name, "KeySchema": key, "Projection": {"ProjectionType": "ALL"}}}

    units = lambda read, write: {"ReadCapacityUnits": read, "WriteCapacityUnits": write}  # noqa: E731
    delete = lambda name: {"Delete": {"IndexName": name}}  # noqa: E731
    nothing = (
        "At least one of ProvisionedThroughput, BillingMode, UpdateStreamEnabled, GlobalSecondaryIndexUpdates or SSESpecification or "
        "ReplicaUpdates is required"
    )
    one_online = (
        "LimitExceededException",
        "Subscriber limit exceeded: Only 1 online index can be created or deleted simultaneously per table",
    )
    kinds = ("Update", "Create", "Delete")
    of_update = ", ".join(f"GlobalSecondaryIndexUpdate.{kind}" for kind in kinds)
    of_a = {"AttributeDefinitions": [{"AttributeName": "a", "AttributeType": "S"}]}

    def indexes(*changes, table="range", **more):
        return update(table, GlobalSecondaryIndexUpdates=list(changes), **more)

    expect(
        "UpdateTable",
        [
            ({}, REQUIRED),
            (update(), nothing),
            (indexes(), nothing),
            (update(BillingMode="x"), broken(("x", "billingMode", one_of("PROVISIONED", "PAY_PER_REQUEST")))),
            (update(BillingMode="PROVISIONED"), INVALID + "ProvisionedThroughput must be specified when BillingMode is PROVISIONED"),
            (update(ProvisionedThroughput=units(0, 1)), broken(("0", "provisionedThroughput.readCapacityUnits", least(1)))),
            (
                update(ProvisionedThroughput=units(1, 1)),
                INVALID + "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST",
            ),
            (update("nowhere", BillingMode="PAY_PER_REQUEST"), NOWHERE),
            (indexes({}), INVALID + f"One of {of_update} must not be null"),
            (indexes({**create("new"), **delete("global")}), INVALID + f"Only one of {of_update} must be specified"),
            (indexes({"Delete": {}}), broken((None, "globalSecondaryIndexUpdates.1.member.delete.indexName", NOT_NULL))),
            (indexes(delete("gone")), ("ResourceNotFoundException", "Requested resource not found: Index: gone for table: range")),
            (indexes(create("global")), "Attempting to create an index which already exists"),
            (indexes(create("new"), create("other"), **of_a), one_online),
            (indexes(create("new"), delete("global"), **of_a), one_online),
            (
                indexes(delete("global"), delete("global")),
                INVALID + "Only one global secondary index update per index is allowed simultaneously. Index: global",
            ),
            (
                indexes(create("new", "q"), table="hash", **of_a),
                INVALID + "Some index key attributes are not defined in AttributeDefinitions. Keys: [q], AttributeDefinitions: [a]",
            ),
            (
                indexes(create("new"), table="hash"),
                INVALID + "Some index key attributes are not defined in AttributeDefinitions. Keys: [a], AttributeDefinitions: []",
            ),
            (update(StreamSpecification={"StreamEnabled": False}), "Table has no stream to disable: TableName: hash"),
            (update(StreamSpecification={}), broken((None, "streamSpecification.streamEnabled", NOT_NULL))),
        ],
    )
    ok("UpdateTable", update(DeletionProtectionEnabled=True))
    protected = "Resource cannot be deleted as it is currently protected against deletion. Disable deletion protection first."
    expect("DeleteTable", [({"TableName": "hash"}, protected)])
    ok("UpdateTable", update(DeletionProtectionEnabled=False))
    first = ok("ListTables", {"Limit": 1})
    assert first == {"TableNames": ["hash"], "LastEvaluatedTableName": "hash"}, first
    assert ok("ListTables", {"ExclusiveStartTableName": "hash"})["TableNames"] == ["range"]
    expect("ListTables", [({"Limit": 101}, broken(("101", "limit", most(100))))])
