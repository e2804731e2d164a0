// Reads Sparkplug messages with sparkplug-payload: `TOPIC HEX` a line in, JSON a line out.
// What data leaves out, a host knows from the births: names and types are put in by the library's own
// protobuf messages before it decodes.
"use strict";

const { get } = require("sparkplug-payload");
const messages = require("sparkplug-payload/lib/sparkplugPayloadProto.js");

const library = get("spBv1.0");
const Payload = messages.org.eclipse.tahu.protobuf.Payload;
const NUMBERS = { Int64: 4, UInt8: 5, UInt64: 8, Boolean: 11, String: 12, DateTime: 13 };
const births = { N: new Map(), D: new Map() };

function plain(value) {
  return value !== null && typeof value === "object" ? Number(value) : value;
}

function metric(found) {
  return {
    name: found.name ?? null,
    alias: found.alias === undefined ? null : plain(found.alias),
    type: NUMBERS[found.type] ?? null,
    value: plain(found.value) ?? null,
    timestamp: found.timestamp === undefined ? null : plain(found.timestamp),
    is_historical: found.isHistorical ?? false,
    is_null: found.value === null,
  };
}

const lines = require("fs").readFileSync(0, "utf8").trim().split("\n");
for (const line of lines) {
  const space = line.lastIndexOf(" ");
  const verb = line.slice(0, space).split("/")[2];
  let raw = Buffer.from(line.slice(space + 1), "hex");
  const known = births[verb[0]];
  if (verb.endsWith("DATA")) {
    const data = Payload.decode(raw);
    for (const found of data.metrics) {
      const { name, datatype } = known.get(Number(found.alias));
      Object.assign(found, { name, datatype });
    }
    raw = Payload.encode(data).finish();
  }
  if (verb.endsWith("BIRTH")) {
    for (const found of Payload.decode(raw).metrics) {
      known.set(Number(found.alias), { name: found.name, datatype: found.datatype });
    }
  }
  const payload = library.decodePayload(raw);
  const metrics = (payload.metrics ?? []).map(metric);
  const seq = payload.seq === undefined ? null : plain(payload.seq);
  console.log(JSON.stringify({ seq, metrics }));
}
