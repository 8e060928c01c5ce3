// What programs for DynamoDB do, through AWS's JavaScript client as it is: run by tests/tests/clients, which sets the environment.
import assert from "node:assert/strict";
import {
  CreateTableCommand,
  DeleteItemCommand,
  DeleteTableCommand,
  DynamoDBClient,
  GetItemCommand,
  PutItemCommand,
  UpdateItemCommand,
  UpdateTableCommand,
  paginateQuery,
  paginateScan,
  waitUntilTableExists,
} from "@aws-sdk/client-dynamodb";
import {
  DescribeStreamCommand,
  DynamoDBStreamsClient,
  GetRecordsCommand,
  GetShardIteratorCommand,
  ListStreamsCommand,
} from "@aws-sdk/client-dynamodb-streams";

const client = new DynamoDBClient({});
const TableName = "airports";
const run = (Command, input) => client.send(new Command({ TableName, ...input }));

await run(CreateTableCommand, {
  AttributeDefinitions: [
    { AttributeName: "country", AttributeType: "S" },
    { AttributeName: "icao", AttributeType: "S" },
  ],
  KeySchema: [
    { AttributeName: "country", KeyType: "HASH" },
    { AttributeName: "icao", KeyType: "RANGE" },
  ],
  BillingMode: "PAY_PER_REQUEST",
});
await waitUntilTableExists({ client, maxWaitTime: 30 }, { TableName });

const Key = { country: { S: "IS" }, icao: { S: "BIRK" } };
const Item = { ...Key, raw: { B: new Uint8Array([0, 255]) }, runways: { L: [{ N: "2" }, { M: { a: { NULL: true } } }] } };
await run(PutItemCommand, { Item });
assert.deepEqual((await run(GetItemCommand, { Key })).Item, Item);

for (let number = 0; number < 30; number++) {
  await run(PutItemCommand, { Item: { country: { S: "XX" }, icao: { S: `X${number + 10}` } } });
}
const pages = paginateQuery(
  { client, pageSize: 7 },
  { TableName, KeyConditionExpression: "country = :c", ExpressionAttributeValues: { ":c": { S: "XX" } } },
);
const found = [];
for await (const page of pages) found.push(...page.Items.map((item) => item.icao.S));
assert.equal(found.length, 30);
assert.deepEqual(found, [...found].sort());
let scanned = 0;
for await (const page of paginateScan({ client, pageSize: 11 }, { TableName })) scanned += page.Count;
assert.equal(scanned, 31);

const Counted = { Key: { country: { S: "XX" }, icao: { S: "X10" } }, ReturnValues: "UPDATED_NEW" };
const ADD = { UpdateExpression: "ADD visits :one", ExpressionAttributeValues: { ":one": { N: "1" } } };
await run(UpdateItemCommand, { ...Counted, ...ADD });
assert.deepEqual((await run(UpdateItemCommand, { ...Counted, ...ADD })).Attributes, { visits: { N: "2" } });
const never = { ConditionExpression: "attribute_not_exists(country)", ReturnValuesOnConditionCheckFailure: "ALL_OLD" };
await assert.rejects(run(PutItemCommand, { Item, ...never }), (error) => {
  assert.equal(error.name, "ConditionalCheckFailedException");
  assert.deepEqual(error.Item, Item);
  return true;
});

assert.deepEqual((await run(DeleteItemCommand, { Key, ReturnValues: "ALL_OLD" })).Attributes, Item);
await assert.rejects(run(GetItemCommand, { Key: { country: { S: "IS" } } }), {
  name: "ValidationException",
  message: "The provided key element does not match the schema",
});
await assert.rejects(run(GetItemCommand, { TableName: "nowhere", Key }), { name: "ResourceNotFoundException" });
const stranger = new DynamoDBClient({ credentials: { accessKeyId: "NOBODY", secretAccessKey: "x" } });
await assert.rejects(stranger.send(new GetItemCommand({ TableName, Key })), { name: "UnrecognizedClientException" });
// A stream: enabled, described, read, refused, disabled.
const streams = new DynamoDBStreamsClient({});
const follow = (Command, input) => streams.send(new Command(input));
const StreamSpecification = { StreamEnabled: true, StreamViewType: "NEW_AND_OLD_IMAGES" };
const { LatestStreamArn: StreamArn } = (await run(UpdateTableCommand, { StreamSpecification })).TableDescription;
await run(PutItemCommand, { Item });
await run(UpdateItemCommand, { ...ADD, Key });
await run(DeleteItemCommand, { Key });
assert.deepEqual(
  (await follow(ListStreamsCommand, { TableName })).Streams.map((stream) => stream.StreamArn),
  [StreamArn],
);
const described = (await follow(DescribeStreamCommand, { StreamArn })).StreamDescription;
assert.equal(described.StreamViewType, "NEW_AND_OLD_IMAGES");
const [{ ShardId }] = described.Shards;
const begin = { StreamArn, ShardId, ShardIteratorType: "TRIM_HORIZON" };
const { ShardIterator } = await follow(GetShardIteratorCommand, begin);
const first = await follow(GetRecordsCommand, { ShardIterator, Limit: 2 });
const rest = await follow(GetRecordsCommand, { ShardIterator: first.NextShardIterator });
const records = [...first.Records, ...rest.Records];
assert.equal(first.Records.length, 2);
assert.deepEqual(
  records.map((record) => record.eventName),
  ["INSERT", "MODIFY", "REMOVE"],
);
assert.deepEqual(records[0].dynamodb.NewImage, Item);
assert.deepEqual(records[1].dynamodb.NewImage, { ...Item, visits: { N: "1" } });
assert.deepEqual(records[2].dynamodb.OldImage, records[1].dynamodb.NewImage);
assert.ok(records[0].dynamodb.ApproximateCreationDateTime instanceof Date);
const last = { ...begin, ShardIteratorType: "AFTER_SEQUENCE_NUMBER", SequenceNumber: records[2].dynamodb.SequenceNumber };
const { ShardIterator: end } = await follow(GetShardIteratorCommand, last);
assert.deepEqual((await follow(GetRecordsCommand, { ShardIterator: end })).Records, []);
await assert.rejects(follow(GetShardIteratorCommand, { ...begin, ShardId: "shardId-00000000000000000000-00000000" }), {
  name: "ResourceNotFoundException",
});
await assert.rejects(follow(GetRecordsCommand, { ShardIterator: "nothing" }), { name: "ValidationException" });
await assert.rejects(follow(DescribeStreamCommand, { StreamArn: StreamArn.replace(TableName, "nowhere") }), {
  name: "ResourceNotFoundException",
});
await run(UpdateTableCommand, { StreamSpecification: { StreamEnabled: false } });
assert.equal((await follow(DescribeStreamCommand, { StreamArn })).StreamDescription.StreamStatus, "DISABLED");
assert.equal((await follow(GetRecordsCommand, { ShardIterator: end })).NextShardIterator, undefined);

await run(DeleteTableCommand, {});
console.log("all is well");
