// How long does a call of 64 bytes and its answer take between two workers, and against what?
//
// Unit: us for one call at a time, calls/s for many in flight. Awake: each worker has a core and the
// caller's answer is there before a sleep would pay. Asleep: both have one core, so that every call
// costs two switches of threads. Baselines: raw Wasm that spins or waits, postMessage, Comlink.
// A surprise: an awake call above 1 us (somebody sleeps), one on one core far above wait/notify (somebody
// spins), calls in flight that do not gain on calls one at a time (a wake-up for each).

const bytes = 64;
const options = { bytes };

const rawSpin = { name: "raw Wasm spin", file: "raw", make: "spin", options, single: true };
const rawWait = { name: "raw Wasm wait/notify", file: "raw", make: "wait", options, single: true };
const posted = {
  name: "postMessage",
  file: "post-message",
  make: "roundTrip",
  options,
  single: true,
};

const call = (name, make, file = "mach-ipc") => ({
  name,
  file,
  make,
  options,
  single: true,
  needs: "kernel",
});
const sync = call("blocking call", "blockingCall");
const traps = call("blocking call by traps", "blockingTraps", "mach-traps");
const oneLoop = call("blocking call, server in its event loop", "blockingClient");
const otherLoop = call("awaited call, server blocks", "blockingServer");
const bothLoops = call("awaited call, server in its event loop", "awaitedCall");

const against = (unit, ...baselines) => ({ unit, baselines });

function casesOf(prefix, raw) {
  const blocking = against("us", raw, posted);
  const looping = against("us", posted);
  return [
    { case: `${prefix} blocking call 64 B`, method: sync, ...blocking },
    { case: `${prefix} blocking call 64 B by traps`, method: traps, ...blocking },
    { case: `${prefix} blocking call 64 B, server in its event loop`, method: oneLoop, ...looping },
    { case: `${prefix} awaited call 64 B, server blocks`, method: otherLoop, ...looping },
    { case: `${prefix} awaited call 64 B, both in event loops`, method: bothLoops, ...looping },
  ];
}

function inFlight(window) {
  const made = (name, file, needs) => ({
    name: `${name}, ${window} in flight`,
    file,
    make: file === "mach-ipc" ? "typedCalls" : "calls",
    options: { bytes, window },
    needs,
  });
  const postedCalls = made("postMessage", "post-message");
  const comlink = made("Comlink", "comlink", "peers");
  return {
    case: `typed calls 64 B, ${window} in flight`,
    method: made("typed calls", "mach-ipc", "kernel"),
    ...against("calls/s", { ...postedCalls, as: "postMessage" }, { ...comlink, as: "Comlink" }),
  };
}

export const stages = [
  { name: "awake", placement: "a core each", clients: 1, cases: casesOf("awake,", rawSpin) },
  { name: "asleep", placement: "one core", clients: 1, cases: casesOf("asleep,", rawWait) },
  { name: "calls", placement: "a core each", clients: 1, cases: [1, 16, 256].map(inFlight) },
];
