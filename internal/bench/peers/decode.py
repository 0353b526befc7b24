"""The same frames in Python: envelope, gzip and payload with google.protobuf, and
a plain dict for each row, as a crawler makes it. `bin/bench --only decode` runs it
when the python3 of the PATH has the library (its compiled form):

    apt install python3-protobuf      # or: pip install protobuf

By hand: decode.py FRAMES TYPES, the file of `bin/bench --frames FRAMES` and a
FileDescriptorSet in proto3. CPU is of decoding alone, the median of five rounds.
"""
import base64
import gzip
import json
import platform
import statistics
import sys
import time

import google.protobuf
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.internal import api_implementation

with open(sys.argv[1], "rb") as lines:
    frames = [base64.b64decode(line) for line in lines]
pool = descriptor_pool.DescriptorPool()
with open(sys.argv[2], "rb") as types:
    for file in descriptor_pb2.FileDescriptorSet.FromString(types.read()).file:
        pool.Add(file)
factory = getattr(message_factory, "GetMessageClass", None) or message_factory.MessageFactory(pool).GetPrototype
names = "SocketMessage", "SCWebFeedPush", "SCWebLiveWatchingUsers", "SCWebHeartbeatAck"
Envelope, FeedPush, WatchingUsers, HeartbeatAck = (factory(pool.FindMessageTypeByName("kuaishou." + name)) for name in names)


def row(table, sent, user, **rest):
    return {"table": table, "event_time": sent, "user_id": user.principal_id, "user_name": user.user_name, **rest}


def decode(data):
    envelope = Envelope.FromString(data)
    payload, sent = envelope.payload, envelope.time
    if envelope.compression_type == 2:
        payload = gzip.decompress(payload)
    if envelope.payload_type == 310:
        push = FeedPush.FromString(payload)
        return ([row("comments", sent, f.user, content=f.content, device_hash=f.device_hash, show_type=f.show_type,
                     wealth_grade=f.sender_state.wealth_grade) for f in push.comment_feeds]
                + [row("likes", sent, f.user, device_hash=f.device_hash) for f in push.like_feeds]
                + [row("gifts", sent, f.user, gift_id=f.gift_id, merge_key=f.merge_key, combo_count=f.combo_count,
                       batch_size=f.batch_size) for f in push.gift_feeds])
    if envelope.payload_type == 340:
        watching = WatchingUsers.FromString(payload)
        return [row("viewers", sent, f.user, display_ks_coin=f.display_ks_coin) for f in watching.watching_user]
    HeartbeatAck.FromString(payload)
    return []


spent = []
for _ in range(6):
    began, events = time.process_time(), sum(len(decode(data)) for data in frames)
    spent.append(time.process_time() - began)
print(json.dumps({"events": events, "cpu": statistics.median(spent[1:]),
                  "with": f"Python {platform.python_version()}, google.protobuf {google.protobuf.__version__} ({api_implementation.Type()})"}))
