// How many messages a second go from one worker to another, one a trap and 64 a trap, and what does a
// message cost a thread that sends to itself?
//
// Unit: messages/s from the first send to the last receive; ns/message for a thread to itself. Queues
// are bounded at 1024 messages, but for postMessage, which has no bound. Baselines: postMessage,
// ringbuf.js, a raw Wasm ring with one call for each message or batch.
// A surprise: a batch that does not beat single messages, or 1 KiB near a tenth of 64 B (a copy too many).

const spsc = (file, make, options, needs) => ({ file, make, options, needs });
const named = (name, { bytes, batch }) => `${name}, ${bytes} B${batch > 1 ? ` x ${batch}` : ""}`;
const size = (bytes) => (bytes === 1024 ? "1 KiB" : `${bytes} B`);
const FLOOD_MAX = 102_400;

function peersOf(options) {
  const { bytes, batch } = options;
  const single = { bytes, batch: 1 };
  const peer = (as, made, extra) => ({ as, name: named(as, made.options), ...made, ...extra });
  const flood = (of) => spsc("post-message", "oneWay", of);
  const ring = (of) => spsc("ringbuf", "ring", of, "peers");
  const peers = [
    peer("postMessage", flood(single), { countMax: FLOOD_MAX }),
    peer("ringbuf.js", ring(single)),
    peer("raw Wasm ring", spsc("raw", "ring", options)),
  ];
  if (batch > 1) {
    const as = (name) => `${name}, ${batch} at once`;
    peers.push(
      { ...peer("postMessage", flood(options), { countMax: FLOOD_MAX }), as: as("postMessage") },
      { ...peer("ringbuf.js", ring(options)), as: as("ringbuf.js") },
    );
  }
  return peers;
}

function oneWay(name, { file, make, bytes, batch }) {
  const options = { bytes, batch };
  const how = batch === 1 ? "one a trap" : `${batch} a trap`;
  return {
    case: `one way ${size(bytes)}, ${how}, ${name}`,
    unit: "messages/s",
    method: { name: named(name, options), ...spsc(file, make, options, "kernel") },
    baselines: peersOf(options),
  };
}

const objects = (bytes) => oneWay("objects", { file: "mach-ipc", make: "oneWay", bytes, batch: 1 });
const traps = (bytes) => oneWay("traps", { file: "mach-traps", make: "oneWay", bytes, batch: 1 });
const batches = (bytes) => oneWay("traps", { file: "mach-traps", make: "batches", bytes, batch: 64 });

function toItself(perMessage) {
  const options = { bytes: 64 };
  const name = `to itself, ${perMessage === 1 ? "one trap" : "two traps"}`;
  const own = spsc("mach-traps", "toItself", { ...options, traps: perMessage }, "kernel");
  const posted = spsc("post-message", "toItself", options);
  return {
    case: `one thread ${name}, 64 B`,
    unit: "ns/message",
    method: { name, ...own },
    baselines: [{ name: "postMessage to itself", as: "postMessage", ...posted }],
  };
}

const both = [64, 1024];

export const stages = [
  {
    name: "two",
    placement: "a core each",
    clients: 1,
    cases: [...both.map(traps), ...both.map(objects), ...both.map(batches)],
  },
  { name: "self", placement: "a core each", clients: 0, cases: [2, 1].map(toItself) },
];
