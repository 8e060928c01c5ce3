"""Streams: what is wrong with a request, and what an iterator gives."""

from asking import K, NOT_NULL, S, broken, expect, least, longer, most, ok, one_of


def streams():
    view = {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
    stream = ok("UpdateTable", {"TableName": "hash", "StreamSpecification": view})["TableDescription"]["LatestStreamArn"]
    ok("PutItem", {"TableName": "hash", "Item": K})
    ok("PutItem", {"TableName": "hash", "Item": K})
    ok("DeleteItem", {"TableName": "hash", "Key": K})
    described = ok("DescribeStream", {"StreamArn": stream})["StreamDescription"]
    shard = described["Shards"][0]["ShardId"]
    gone = stream[:-3] + ("000" if stream[-3:] != "000" else "001")

    expect(
        "ListStreams",
        [
            ({"TableName": "x"}, broken(("x", "tableName", longer(3)))),
            ({"Limit": 0}, broken(("0", "limit", least(1)))),
            ({"Limit": 101}, broken(("101", "limit", most(100)))),
            ({"ExclusiveStartStreamArn": "x"}, broken(("x", "exclusiveStartStreamArn", longer(37)))),
        ],
    )
    assert [one["StreamArn"] for one in ok("ListStreams", {"TableName": "hash"})["Streams"]] == [stream]
    not_found = ("ResourceNotFoundException", f"Requested resource not found: Stream: {gone} not found")
    expect(
        "DescribeStream",
        [
            ({}, broken((None, "streamArn", NOT_NULL))),
            ({"StreamArn": "x"}, broken(("x", "streamArn", longer(37)))),
            ({"StreamArn": "x" * 40}, "Invalid StreamArn"),
            ({"StreamArn": gone}, not_found),
            ({"StreamArn": stream, "Limit": 0}, broken(("0", "limit", least(1)))),
            ({"StreamArn": stream, "ExclusiveStartShardId": "x"}, broken(("x", "exclusiveStartShardId", longer(28)))),
        ],
    )

    def iterator(kind="TRIM_HORIZON", **more):
        return {"StreamArn": stream, "ShardId": shard, "ShardIteratorType": kind, **more}

    at = "AT_SEQUENCE_NUMBER"
    expect(
        "GetShardIterator",
        [
            ({}, broken((None, "streamArn", NOT_NULL), (None, "shardId", NOT_NULL), (None, "shardIteratorType", NOT_NULL))),
            (
                iterator("x"),
                broken(("x", "shardIteratorType", one_of("TRIM_HORIZON", "LATEST", at, "AFTER_SEQUENCE_NUMBER"))),
            ),
            (iterator(ShardId="x"), broken(("x", "shardId", longer(28)))),
            (iterator(at, SequenceNumber="x"), broken(("x", "sequenceNumber", longer(21)))),
            (iterator(at), f"One or more parameter values were invalid: SequenceNumber is required for ShardIteratorType {at}"),
            (iterator(at, SequenceNumber="9" * 21), "Invalid SequenceNumber"),
            (iterator(StreamArn=gone), not_found),
            (
                iterator(ShardId="shardId-00000000000000000000-aaaaaaaa"),
                ("ResourceNotFoundException", "Requested resource not found: Shard does not exist"),
            ),
        ],
    )
    first = ok("GetShardIterator", iterator())["ShardIterator"]
    expect(
        "GetRecords",
        [
            ({}, broken((None, "shardIterator", NOT_NULL))),
            ({"ShardIterator": ""}, broken(("", "shardIterator", longer(1)))),
            ({"ShardIterator": "x"}, "Invalid ShardIterator"),
            ({"ShardIterator": first, "Limit": 0}, broken(("0", "limit", least(1)))),
            ({"ShardIterator": first, "Limit": 1001}, broken(("1001", "limit", most(1000)))),
        ],
    )
    records = ok("GetRecords", {"ShardIterator": first})["Records"]
    assert [record["eventName"] for record in records] == ["INSERT", "REMOVE"], "a write that changes nothing leaves no record"
    images = [(of.get("OldImage"), of.get("NewImage")) for of in (record["dynamodb"] for record in records)]
    assert images == [(None, K), (K, None)], images
    second = records[1]["dynamodb"]["SequenceNumber"]
    for kind, names in ((at, ["REMOVE"]), ("AFTER_SEQUENCE_NUMBER", [])):
        here = ok("GetShardIterator", iterator(kind, SequenceNumber=second))["ShardIterator"]
        assert [record["eventName"] for record in ok("GetRecords", {"ShardIterator": here})["Records"]] == names
    latest = ok("GetShardIterator", iterator("LATEST"))["ShardIterator"]
    ok("PutItem", {"TableName": "hash", "Item": {"a": S("z")}})
    assert [record["eventName"] for record in ok("GetRecords", {"ShardIterator": latest})["Records"]] == ["INSERT"]
    already = "Table already has an enabled stream: TableName: hash"
    expect("UpdateTable", [({"TableName": "hash", "StreamSpecification": view}, already)])
    ok("UpdateTable", {"TableName": "hash", "StreamSpecification": {"StreamEnabled": False}})
    ok("DeleteItem", {"TableName": "hash", "Key": {"a": S("z")}})
