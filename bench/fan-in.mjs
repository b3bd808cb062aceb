// When eight senders flood one port, how much does the slowest get while the fastest gets all, and how
// many messages a second arrive?
//
// Fairness: the slowest sender's messages over the fastest one's, when the last of the fastest arrives.
// The receiver has one core, the senders share the other. Baseline: postMessage, a port for each sender.
// A surprise: fairness below 0.8 (a sender passes others that wait), or fewer messages than postMessage
// moves (senders and receiver wake each other for every message).

const options = { bytes: 64, batch: 1 };
const count = { full: 102_400, quick: 2_048 };

const posted = { name: "postMessage", file: "post-message", make: "fanIn", options, count };
const machIpc = { name: "one port", file: "mach-ipc", make: "fanIn", options, count };
const method = { ...machIpc, needs: "kernel" };
const baselines = [posted];
const what = "8 senders to one port, 64 B";

const fairness = { case: `${what}: fairness`, unit: "slowest/fastest", extra: "fairness" };
const rate = { case: `${what}: messages`, unit: "messages/s" };

export const stages = [
  {
    name: "fan-in",
    placement: "a core each",
    clients: 8,
    roundsMax: 9, // long ones: a share of a core is fair over many time slices only
    cases: [
      { ...fairness, method, baselines },
      { ...rate, method, baselines },
    ],
  },
];
