// ringbuf.js: one producer, one consumer, no waiting of its own, so both sides spin. The ring holds as
// many messages as a port of ours does. `batch` messages are pushed and popped as one run of bytes; as
// every run has one size and the capacity is a multiple of it, a push or pop moves a whole run or none.
import { RingBuffer } from "ringbuf.js";

const MESSAGES_MAX = 1024;

/** Made by the harness and given to both sides. */
export const shared = ({ bytes }) => RingBuffer.getStorageForCapacity(MESSAGES_MAX * bytes, Uint8Array);

export function ring({ storage, bytes, batch, role }) {
  const queue = new RingBuffer(storage, Uint8Array);
  const messages = new Uint8Array(bytes * batch);
  const client = (count, probe) => {
    for (let i = 0; i < count; i += batch) {
      for (let k = 0; k < batch; k++) probe.fill(messages, k * bytes, bytes, i + k);
      while (queue.push(messages) === 0);
    }
  };
  const server = (count, probe) => {
    for (let i = 0; i < count; i += batch) {
      while (queue.pop(messages) === 0);
      for (let k = 0; k < batch; k++) probe.check(messages, k * bytes, bytes, i + k);
    }
  };
  return { run: role === "client" ? client : server };
}
