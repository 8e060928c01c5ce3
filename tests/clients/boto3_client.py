"""What programs for DynamoDB do, through boto3 as it is: run by tests/tests/clients, which sets the environment."""

from decimal import Decimal

import boto3
from boto3.dynamodb.conditions import Attr, Key
from botocore.config import Config
from common import client, make, refused, resource


def tables():
    for number in range(3):
        make(f"table-{number}")
    pages = client.get_paginator("list_tables").paginate(PaginationConfig={"PageSize": 2})
    assert [name for page in pages for name in page["TableNames"]] == ["table-0", "table-1", "table-2"]
    described = client.describe_table(TableName="table-1")["Table"]
    assert described["TableStatus"] == "ACTIVE" and described["ItemCount"] == 0
    assert "SSEDescription" not in described, "nobody chose a key"
    assert described["CreationDateTime"].year >= 2024
    message = refused("ResourceInUseException", make, "table-1")
    assert message == "Table already exists: table-1", message
    for number in range(3):
        client.delete_table(TableName=f"table-{number}")
        client.get_waiter("table_not_exists").wait(TableName=f"table-{number}", WaiterConfig={"Delay": 1})
    message = refused("ResourceNotFoundException", client.describe_table, TableName="table-1")
    assert message == "Requested resource not found: Table: table-1 not found", message


def items(table):
    item = {
        "pk": "é\"\\\u2028😀",
        "sk": Decimal("-12345678901234567890123456789012345678E-20"),
        "binary": b"\x00\xff",
        "empty": "",
        "flag": True,
        "nothing": None,
        "list": ["a", Decimal(1), [b"x", {"deep": {}}]],
        "strings": {"b", "a"},
        "numbers": {Decimal("1.5"), Decimal("1e10")},
        "binaries": {b"1", b"2"},
    }
    assert "Attributes" not in table.put_item(Item=item)
    key = {"pk": item["pk"], "sk": item["sk"]}
    assert table.get_item(Key=key, ConsistentRead=True)["Item"] == item
    assert table.put_item(Item={**key, "x": 1}, ReturnValues="ALL_OLD")["Attributes"] == item
    assert table.delete_item(Key=key, ReturnValues="ALL_OLD")["Attributes"] == {**key, "x": 1}
    assert "Item" not in table.get_item(Key=key)


def batches_and_pages(table):
    with table.batch_writer() as batch:
        for number in range(60):
            batch.put_item(Item={"pk": "p", "sk": number, "text": "x" * 40_000})
    pages = client.get_paginator("query").paginate(
        TableName=table.name,
        KeyConditionExpression="pk = :p",
        ExpressionAttributeValues={":p": {"S": "p"}},
    )
    pages = list(pages)
    assert len(pages) == 3, "a page ends at 1 MB"
    assert [int(item["sk"]["N"]) for page in pages for item in page["Items"]] == list(range(60))
    last = table.query(
        KeyConditionExpression=Key("pk").eq("p") & Key("sk").between(10, 19), ScanIndexForward=False, Limit=3
    )
    assert [int(item["sk"]) for item in last["Items"]] == [19, 18, 17]
    assert last["LastEvaluatedKey"] == {"pk": "p", "sk": 17}
    segments = [table.scan(Segment=segment, TotalSegments=2, Select="COUNT")["Count"] for segment in range(2)]
    assert sum(segments) <= 60
    assert sum(page["Count"] for page in client.get_paginator("scan").paginate(TableName=table.name)) == 60


def expressions(table):
    key = {"pk": "expr", "sk": 1}
    updated = table.update_item(
        Key=key,
        UpdateExpression="SET #c = if_not_exists(#c, :zero) + :one, tags = :tags, nested = :map, history = list_append(:list, :list)",
        ExpressionAttributeNames={"#c": "count"},
        ExpressionAttributeValues={":zero": 0, ":one": 1, ":tags": {"a", "b"}, ":map": {"x": {"y": 1}}, ":list": [1]},
        ReturnValues="ALL_NEW",
    )["Attributes"]
    assert updated == {**key, "count": 1, "tags": {"a", "b"}, "nested": {"x": {"y": 1}}, "history": [1, 1]}, updated
    updated = table.update_item(
        Key=key,
        UpdateExpression="ADD #c :two DELETE tags :a REMOVE nested.x.y, history[0] SET nested.z = :two",
        ExpressionAttributeNames={"#c": "count"},
        ExpressionAttributeValues={":two": 2, ":a": {"a"}},
        ReturnValues="UPDATED_NEW",
    )["Attributes"]
    assert updated["count"] == 3 and updated["tags"] == {"b"}, updated
    got = table.get_item(Key=key, ProjectionExpression="nested.z, history[0], pk")["Item"]
    assert got == {"pk": "expr", "nested": {"z": 2}, "history": [1]}, got
    message = refused(
        "ConditionalCheckFailedException",
        table.put_item,
        Item={**key, "other": 1},
        ConditionExpression=Attr("pk").not_exists() & Attr("count").gt(5),
    )
    assert message == "The conditional request failed", message
    try:
        table.delete_item(
            Key=key, ConditionExpression=Attr("count").eq(4), ReturnValuesOnConditionCheckFailure="ALL_OLD"
        )
    except client.exceptions.ConditionalCheckFailedException as error:
        assert error.response["Item"]["count"] == {"N": "3"}, error.response
    table.put_item(Item={**key, "count": 9}, ConditionExpression=Attr("count").between(1, 3) | Attr("x").exists())
    client.update_item(  # as programs did before there were expressions
        TableName=table.name,
        Key={"pk": {"S": "expr"}, "sk": {"N": "1"}},
        AttributeUpdates={"count": {"Action": "ADD", "Value": {"N": "1"}}, "old": {"Value": {"S": "style"}}},
        Expected={"count": {"Value": {"N": "9"}}},
    )
    assert table.get_item(Key=key, AttributesToGet=["count", "old"])["Item"] == {"count": 10, "old": "style"}
    found = table.query(
        KeyConditionExpression=Key("pk").eq("expr"),
        FilterExpression=Attr("old").begins_with("sty") & Attr("count").is_in([10, 11]),
        ReturnConsumedCapacity="TOTAL",
    )
    assert found["Count"] == 1 and found["ScannedCount"] == 1
    assert found["ConsumedCapacity"] == {"TableName": table.name, "CapacityUnits": 0.5}, found["ConsumedCapacity"]
    assert table.scan(FilterExpression=Attr("old").exists(), Select="COUNT")["Count"] <= 1
    message = refused(
        "ValidationException", table.update_item, Key=key, UpdateExpression="SET a = :v", ExpressionAttributeValues={}
    )
    assert message.startswith("ExpressionAttributeValues must not be empty"), message
    message = refused("ValidationException", table.update_item, Key=key, UpdateExpression="SET a = :v")
    assert (
        message
        == "Invalid UpdateExpression: An expression attribute value used in expression is not defined; attribute value: :v"
    ), message
    table.delete_item(Key=key)


def transactions(table):
    name = table.name
    put = {"Put": {"TableName": name, "Item": {"pk": {"S": "t"}, "sk": {"N": "1"}, "sum": {"N": "1"}}}}
    unless = {
        "ConditionCheck": {
            "TableName": name,
            "Key": {"pk": {"S": "t"}, "sk": {"N": "2"}},
            "ConditionExpression": "attribute_not_exists(pk)",
        }
    }
    client.transact_write_items(TransactItems=[put, unless], ClientRequestToken="once")
    client.transact_write_items(TransactItems=[put, unless], ClientRequestToken="once")
    refused("IdempotentParameterMismatchException", client.transact_write_items, TransactItems=[put], ClientRequestToken="once")
    table.put_item(Item={"pk": "t", "sk": 2})
    message = refused("TransactionCanceledException", client.transact_write_items, TransactItems=[put, unless])
    assert message.endswith("[None, ConditionalCheckFailed]"), message
    keys = [{"pk": {"S": "t"}, "sk": {"N": str(number)}} for number in (1, 2, 3)]
    got = client.transact_get_items(TransactItems=[{"Get": {"TableName": name, "Key": key}} for key in keys])
    assert ["Item" in response for response in got["Responses"]] == [True, True, False], got
    got = client.batch_get_item(RequestItems={name: {"Keys": keys}})
    assert len(got["Responses"][name]) == 2 and got["UnprocessedKeys"] == {}, got
    for number in (1, 2):
        table.delete_item(Key={"pk": "t", "sk": number})


def indexes():
    table = make(
        "indexed",
        more_definitions=[{"AttributeName": "city", "AttributeType": "S"}],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "by-city",
                "KeySchema": [{"AttributeName": "city", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            }
        ],
    )
    for number in range(5):
        table.put_item(Item={"pk": "p", "sk": number, **({"city": "Akureyri"} if number % 2 else {})})
    found = table.query(IndexName="by-city", KeyConditionExpression=Key("city").eq("Akureyri"))
    assert sorted(int(item["sk"]) for item in found["Items"]) == [1, 3]
    assert table.scan(IndexName="by-city")["Count"] == 2
    message = refused(
        "ValidationException",
        table.query,
        IndexName="by-city",
        KeyConditionExpression=Key("city").eq("x"),
        ConsistentRead=True,
    )
    assert message == "Consistent reads are not supported on global secondary indexes", message
    table.delete()


def statements(table):
    for number in range(3):
        client.execute_statement(
            Statement=f"INSERT INTO {table.name} VALUE {{'pk': ?, 'sk': ?, 'tags': <<'a'>>}}",
            Parameters=[{"S": "ql"}, {"N": str(number)}],
        )
    message = refused(
        "DuplicateItemException", client.execute_statement, Statement=f"INSERT INTO {table.name} VALUE {{'pk': 'ql', 'sk': 1}}"
    )
    assert message == "Duplicate primary key exists in table", message
    updated = client.execute_statement(
        Statement=f"UPDATE {table.name} SET tags = set_add(tags, <<'b'>>) WHERE pk = 'ql' AND sk = 1 RETURNING MODIFIED NEW *"
    )
    assert [set(item["tags"]["SS"]) for item in updated["Items"]] == [{"a", "b"}]
    statement = f"SELECT sk FROM {table.name} WHERE pk = 'ql' ORDER BY sk DESC"
    first = client.execute_statement(Statement=statement, Limit=2)
    rest = client.execute_statement(Statement=statement, Limit=2, NextToken=first["NextToken"])
    assert [item["sk"]["N"] for item in first["Items"] + rest["Items"]] == ["2", "1", "0"]
    answers = client.batch_execute_statement(
        Statements=[{"Statement": f"DELETE FROM {table.name} WHERE pk = 'ql' AND sk = {number}"} for number in range(3)]
    )
    assert all("Error" not in answer for answer in answers["Responses"])


def streams():
    table = make("watched", StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"})
    described = client.describe_table(TableName="watched")["Table"]
    assert described["StreamSpecification"] == {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
    arn = described["LatestStreamArn"]
    assert arn.endswith("/stream/" + described["LatestStreamLabel"]), arn
    table.put_item(Item={"pk": "a", "sk": 1, "name": "one"})
    table.put_item(Item={"pk": "a", "sk": 1, "name": "one"})
    table.update_item(Key={"pk": "a", "sk": 1}, UpdateExpression="SET #n = :n", ExpressionAttributeNames={"#n": "name"},
                      ExpressionAttributeValues={":n": "two"})
    table.delete_item(Key={"pk": "a", "sk": 1})

    watcher = boto3.client("dynamodbstreams")
    listed = watcher.list_streams(TableName="watched")["Streams"]
    assert listed == [{"StreamArn": arn, "TableName": "watched", "StreamLabel": described["LatestStreamLabel"]}], listed
    stream = watcher.describe_stream(StreamArn=arn)["StreamDescription"]
    assert stream["StreamStatus"] == "ENABLED" and stream["StreamViewType"] == "NEW_AND_OLD_IMAGES"
    assert stream["KeySchema"] == described["KeySchema"] and stream["TableName"] == "watched"
    [shard] = stream["Shards"]
    assert len(shard["SequenceNumberRange"]["StartingSequenceNumber"]) == 21

    def iterator(kind, **more):
        found = watcher.get_shard_iterator(StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType=kind, **more)
        return found["ShardIterator"]

    first = watcher.get_records(ShardIterator=iterator("TRIM_HORIZON"), Limit=2)
    rest = watcher.get_records(ShardIterator=first["NextShardIterator"])
    records = first["Records"] + rest["Records"]
    assert [record["eventName"] for record in records] == ["INSERT", "MODIFY", "REMOVE"]
    insert, modify, remove = (record["dynamodb"] for record in records)
    key = {"pk": {"S": "a"}, "sk": {"N": "1"}}
    one, two = ({**key, "name": {"S": name}} for name in ("one", "two"))
    assert insert["Keys"] == key and insert["NewImage"] == one and "OldImage" not in insert
    assert modify["OldImage"] == one and modify["NewImage"] == two
    assert remove["OldImage"] == two and "NewImage" not in remove
    # Names and values of the key, and of the item: 2 + 1 + 2 + 2, and 4 + 3 more.
    assert insert["SizeBytes"] == 7 + 14, insert["SizeBytes"]
    assert insert["ApproximateCreationDateTime"].microsecond == 0
    for record in records:
        assert record["eventSource"] == "aws:dynamodb" and record["eventVersion"] == "1.1" and record["awsRegion"]
        assert "userIdentity" not in record and record["dynamodb"]["StreamViewType"] == "NEW_AND_OLD_IMAGES"
    numbers = [record["dynamodb"]["SequenceNumber"] for record in records]
    assert numbers == sorted(numbers) and len(set(numbers)) == 3 and all(len(number) == 21 for number in numbers)
    after = watcher.get_records(ShardIterator=iterator("AFTER_SEQUENCE_NUMBER", SequenceNumber=numbers[0]))
    assert after["Records"] == records[1:]
    latest = iterator("LATEST")
    assert watcher.get_records(ShardIterator=latest)["Records"] == []
    table.put_item(Item={"pk": "b", "sk": 2})
    [record] = watcher.get_records(ShardIterator=latest)["Records"]
    assert record["dynamodb"]["Keys"] == {"pk": {"S": "b"}, "sk": {"N": "2"}}

    client.update_table(TableName="watched", StreamSpecification={"StreamEnabled": False})
    table.put_item(Item={"pk": "c", "sk": 3})
    stream = watcher.describe_stream(StreamArn=arn)["StreamDescription"]
    assert stream["StreamStatus"] == "DISABLED"
    ending = stream["Shards"][0]["SequenceNumberRange"]["EndingSequenceNumber"]
    closed = watcher.get_records(ShardIterator=iterator("TRIM_HORIZON"))
    assert closed["Records"][-1]["dynamodb"]["SequenceNumber"] == ending and "NextShardIterator" not in closed
    keys_only = {"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"}
    updated = client.update_table(TableName="watched", StreamSpecification=keys_only)["TableDescription"]
    assert updated["LatestStreamArn"] > arn and updated["StreamSpecification"] == keys_only
    message = refused("ValidationException", client.update_table, TableName="watched", StreamSpecification=keys_only)
    assert message == "Table already has an enabled stream: TableName: watched", message
    message = refused("ValidationException", watcher.get_records, ShardIterator="nonsense")
    assert message == "Invalid ShardIterator", message
    unknown = arn.replace("watched", "nowhere")
    message = refused("ResourceNotFoundException", watcher.describe_stream, StreamArn=unknown)
    assert message == f"Requested resource not found: Stream: {unknown} not found", message
    message = refused("ValidationException", make, "bad", StreamSpecification={"StreamEnabled": True})
    assert message.endswith("Table is being created with a stream enabled, UpdateViewType is required"), message
    table.delete()


def errors(table):
    message = refused("ValidationException", table.put_item, Item={"pk": "only"})
    assert message == "One or more parameter values were invalid: Missing the key sk in the item", message
    refused("ValidationException", table.get_item, Key={"pk": 5, "sk": 1})
    refused("ResourceNotFoundException", resource.Table("nowhere").put_item, Item={"pk": "a"})
    stranger = boto3.client("dynamodb", aws_access_key_id="NOBODY", aws_secret_access_key="x")
    message = refused("UnrecognizedClientException", stranger.list_tables)
    assert message == "The security token included in the request is invalid.", message
    impostor = boto3.client("dynamodb", aws_secret_access_key="wrong", aws_access_key_id=own_key_id())
    refused("InvalidSignatureException", impostor.list_tables)
    packed = boto3.client("dynamodb", config=Config(request_min_compression_size_bytes=1))
    assert packed.list_tables()["TableNames"] == [table.name]


def own_key_id():
    return boto3.Session().get_credentials().access_key


tables()
airports = make("airports")
items(airports)
batches_and_pages(airports)
expressions(airports)
transactions(airports)
indexes()
statements(airports)
streams()
errors(airports)
print("all is well")
