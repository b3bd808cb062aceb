// A thread with a processor of its own, that makes calls once another thread waits: once there is a waiter, and the other has had time
// to fall asleep.

import { parentPort, workerData } from "node:worker_threads";

const { module, memory, record, out, attach, zone, calls } = workerData;
const COPY_SEND = 19;
const SEND_MSG = 1;

const processor = new WebAssembly.Global({ value: "i32", mutable: false }, record);
const env = { memory, processor, now: () => performance.now() };
const core = new WebAssembly.Instance(module, { env }).exports;
core.processor_attach(attach);
parentPort.postMessage("ready");

const nap = new Int32Array(new SharedArrayBuffer(4));
while (core.zone_count(zone) === 0) Atomics.wait(nap, 0, 0, 1);
Atomics.wait(nap, 0, 0, 30);

function send(handle, remote, id) {
  const kmsg = core.mach_msg_prepare(handle, 24, 0) >>> 0;
  const words = new Uint32Array(memory.buffer);
  words.set([COPY_SEND, 24, remote, 0, 0, id], words[(record + out) >> 2] >> 2);
  core.mach_msg_trap(handle, kmsg, SEND_MSG, 24, 0, 0, 0, 0);
}

for (const [name, ...args] of calls) {
  if (name === "send") send(...args);
  else core[name](...args);
}
