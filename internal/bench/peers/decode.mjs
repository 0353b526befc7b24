// The same frames in Node: envelope, gzip and payload with protobufjs, and a plain
// object for each row, as a crawler makes it. `bin/bench --only decode` runs it when
// the node of the PATH finds the library:
//
//   npm install --prefix ~/peers protobufjs && export NODE_PATH=~/peers/node_modules
//
// By hand: node decode.mjs FRAMES PROTO, the file of `bin/bench --frames FRAMES` and
// a folder with proto/kuaishou.proto in proto3. CPU is of decoding alone, with the
// collector's threads; the median of five rounds after five that warm the compiler.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";

const require = createRequire(import.meta.url); // import does not heed NODE_PATH
const protobuf = require("protobufjs");

const [framesFile, folder] = process.argv.slice(2);
const frames = readFileSync(framesFile, "latin1").trimEnd().split("\n").map((line) => Buffer.from(line, "base64"));
const root = new protobuf.Root();
root.resolvePath = (_, file) => join(folder, file);
root.loadSync("proto/kuaishou.proto", { keepCase: true });
const [SocketMessage, SCWebFeedPush, SCWebLiveWatchingUsers, SCWebHeartbeatAck] = [
  "SocketMessage", "SCWebFeedPush", "SCWebLiveWatchingUsers", "SCWebHeartbeatAck",
].map((name) => root.lookupType("kuaishou." + name));

const row = (table, sent, f, rest) => ({ table, event_time: sent, user_id: f.user?.principal_id, user_name: f.user?.user_name, ...rest });

function decode(data) {
  const envelope = SocketMessage.decode(data);
  const sent = Number(envelope.time);
  const payload = envelope.compression_type === 2 ? gunzipSync(envelope.payload) : envelope.payload;
  if (envelope.payload_type === 310) {
    const push = SCWebFeedPush.decode(payload);
    const rows = push.comment_feeds.map((f) => row("comments", sent, f, {
      content: f.content, device_hash: f.device_hash, show_type: f.show_type, wealth_grade: f.sender_state?.wealth_grade ?? 0,
    }));
    for (const f of push.like_feeds) rows.push(row("likes", sent, f, { device_hash: f.device_hash }));
    for (const f of push.gift_feeds) rows.push(row("gifts", sent, f, {
      gift_id: f.gift_id, merge_key: f.merge_key, combo_count: f.combo_count, batch_size: f.batch_size,
    }));
    return rows;
  }
  if (envelope.payload_type === 340)
    return SCWebLiveWatchingUsers.decode(payload).watching_user.map((f) => row("viewers", sent, f, { display_ks_coin: f.display_ks_coin }));
  SCWebHeartbeatAck.decode(payload);
  return [];
}

let events = 0;
const spent = Array.from({ length: 10 }, () => {
  const began = process.cpuUsage();
  events = frames.reduce((sum, data) => sum + decode(data).length, 0);
  const { user, system } = process.cpuUsage(began);
  return (user + system) / 1e6;
}).slice(5).sort((a, b) => a - b);
console.log(JSON.stringify({ events, cpu: spent[2], with: `Node ${process.versions.node}, protobufjs ${require("protobufjs/package.json").version}` }));
