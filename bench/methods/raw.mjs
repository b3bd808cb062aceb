// The raw Wasm baselines, bound to their region of the shared memory. Loops are JavaScript's, one Wasm
// call for each round trip or message (or batch of them), as a program would use them.

const BUFFER = 2 << 20; // within the region: this side's own payloads, past slot and ring
const OTHER_SIDE = 1 << 19;

function open(context) {
  const { raw, memory, region, role } = context;
  const address = region + BUFFER + (role === "server" ? OTHER_SIDE : 0);
  return { raw, address, view: new Uint8Array(memory.buffer, address, OTHER_SIDE) };
}

function roundTrip(context, call, serve) {
  const { raw, address, view } = open(context);
  const { region, bytes, role } = context;
  let turn = 1;
  const client = (count, probe) => {
    for (let i = 0; i < count; i++) {
      probe.fill(view, 0, bytes, i);
      raw[call](region, address, bytes, turn++);
      probe.check(view, 0, bytes, i);
    }
  };
  const server = (count) => {
    raw[serve](region, address, bytes, turn, count);
    turn += count;
  };
  return { run: role === "client" ? client : server };
}

export const spin = (context) => roundTrip(context, "spin_call", "spin_serve");

export const wait = (context) => roundTrip(context, "wait_call", "wait_serve");

/** One producer, one consumer, both spinning; `batch` messages for each call. */
export function ring(context) {
  const { raw, address, view } = open(context);
  const { region, bytes, batch, role } = context;
  const client = (count, probe) => {
    for (let i = 0; i < count; i += batch) {
      for (let k = 0; k < batch; k++) probe.fill(view, k * bytes, bytes, i + k);
      raw.ring_push(region, address, bytes, batch);
    }
  };
  const server = (count, probe) => {
    for (let i = 0; i < count; i += batch) {
      raw.ring_pop(region, address, bytes, batch);
      for (let k = 0; k < batch; k++) probe.check(view, k * bytes, bytes, i + k);
    }
  };
  return { run: role === "client" ? client : server };
}
