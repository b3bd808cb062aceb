// What else moves a large payload from one worker to the other and back, or a copy of it: transfer, structured clone,
// SharedArrayBuffer. Who waits is woken by Turns, as a blocked thread of the kernel is, and takes what was posted without a
// turn of its event loop, which Node can; the forms by events are what other platforms have. And memcpy, as the scale.
import { receiveMessageOnPort } from "node:worker_threads";
import { compareBytes, contentOf, copyInto, PAGE_BYTES } from "../lib/bulk.mjs";
import { exchange } from "../lib/exchange.mjs";
import { turnBytes, Turns } from "../lib/turns.mjs";

const buffers = new Map();

/** Buffers that methods of one size share in this thread, for they take turns: memory, and never two at once. */
function pooled(key, make) {
  if (!buffers.has(key)) buffers.set(key, make());
  return buffers.get(key);
}

/** A private payload. What is written afterwards stays in it, so that each part has its own. */
const ownOf = ({ bytes, part = "" }) =>
  pooled(`own ${bytes} ${part}`, () => ({ number: 0, buffer: new ArrayBuffer(bytes) }));

const range = (buffer, first, pages) => [new Int32Array(buffer, first * PAGE_BYTES, (pages * PAGE_BYTES) / 4)];

const takeFrom = (port) => receiveMessageOnPort(port).message;

/** The harness gives both sides the words of Turns, and the shared payload where there is one. */
export function shared({ bytes, both }) {
  const turns = new SharedArrayBuffer(turnBytes);
  return { turns, data: both ? pooled(`${both} ${bytes}`, () => new SharedArrayBuffer(bytes)) : null };
}

/** What sides that write into a buffer of their own have in common; `after` the call, `give` before it. */
function clientSide({ own, turns, give, after }) {
  return {
    own,
    write: (first, pages) => range(own.buffer, first, pages),
    written() {},
    call() {
      give();
      const answer = turns.call();
      after?.();
      return answer;
    },
    again: () => turns.call(),
  };
}

/** `take` gives the buffer that was handed over, `back` what becomes of it; a call without a payload keeps it. */
function serverSide({ turns, take, back }) {
  let held = null;
  return {
    take() {
      turns.take();
      held ??= take();
    },
    hold: () => turns.answer(0),
    pieces: () => [new Int32Array(held)],
    read() {},
    answer(value) {
      const buffer = held;
      held = null;
      back?.(buffer);
      turns.answer(value);
    },
  };
}

const method = (sides) => (context) => {
  const { storage, ports, role } = context;
  const turns = new Turns(storage.turns);
  const parts = { context, turns, own: ownOf(context), port: ports[0], data: storage.data };
  const side = role === "client" ? clientSide({ ...parts, ...sides.client(parts) }) : null;
  const other = role === "server" ? serverSide({ turns, ...sides.server(parts) }) : null;
  return { run: exchange(side ?? other, context), close: () => ports[0].close() };
};

/** Both sides have the same memory; only the turn passes. */
export const inPlace = method({
  client: ({ data }) => ({ own: { number: 0, buffer: data }, give() {} }),
  server: ({ data }) => ({ take: () => data }),
});

/** The sender keeps its own and copies it into what both have. */
export const copied = method({
  client({ own, data }) {
    const into = new Uint8Array(data);
    return { give: () => into.set(new Uint8Array(own.buffer)) };
  },
  server: ({ data }) => ({ take: () => data }),
});

/** One buffer goes there and back. */
export const transferred = method({
  client: ({ own, port }) => ({
    give: () => port.postMessage(own.buffer, [own.buffer]),
    after: () => {
      own.buffer = takeFrom(port);
    },
  }),
  server: ({ port }) => ({ take: () => takeFrom(port), back: (buffer) => port.postMessage(buffer, [buffer]) }),
});

/** A new buffer for each exchange, which the receiver drops. */
export const allocated = method({
  client({ port, context: { bytes } }) {
    let fresh = null;
    const own = {
      get buffer() {
        fresh ??= new ArrayBuffer(bytes);
        return fresh;
      },
    };
    const give = () => {
      port.postMessage(fresh, [fresh]);
      fresh = null;
    };
    return { own, give };
  },
  server: ({ port }) => ({ take: () => takeFrom(port) }),
});

/** The sender keeps its own and transfers a copy, which the receiver drops. */
export const sliced = method({
  client: ({ own, port }) => ({
    give() {
      const copy = own.buffer.slice(0);
      port.postMessage(copy, [copy]);
    },
  }),
  server: ({ port }) => ({ take: () => takeFrom(port) }),
});

export const cloned = method({
  client: ({ own, port }) => ({ give: () => port.postMessage(own.buffer) }),
  server: ({ port }) => ({ take: () => takeFrom(port) }),
});

/** By the events of a MessagePort, as programs do it: handed over alone. */
export const byEvents = (context) => {
  const { role, bytes, transfer, ports } = context;
  const [port] = ports;
  const list = (buffer) => (transfer ? [buffer] : []);
  const close = () => port.close();
  if (role === "server") return { run: answerEvents(port, bytes, transfer, list), close };
  const own = ownOf(context);
  let step;
  port.on("message", (message) => step(message));
  const run = (count, { full }) =>
    new Promise((resolve) => {
      let turn = 0;
      const next = () => {
        if (full) copyInto([new Int32Array(own.buffer)], contentOf(bytes));
        if (full) new Int32Array(own.buffer)[0] = turn;
        port.postMessage(own.buffer, list(own.buffer));
      };
      step = (message) => {
        if (transfer) own.buffer = message;
        if (++turn === count) resolve();
        else next();
      };
      next();
    });
  return { run, close };
};

function answerEvents(port, bytes, transfer, list) {
  let step;
  port.on("message", (buffer) => step(buffer));
  return (count, probe) =>
    new Promise((resolve, reject) => {
      let turn = 0;
      step = (buffer) => {
        try {
          if (probe.full) {
            const hash = compareBytes([new Int32Array(buffer)], contentOf(bytes), turn);
            probe.hash = (probe.hash + hash) >>> 0;
          }
          port.postMessage(transfer ? buffer : 0, transfer ? list(buffer) : []);
          if (++turn === count) resolve();
        } catch (error) {
          reject(error);
        }
      };
    });
}

/** The same bytes from one buffer of the client into another; nobody else takes part. */
export function memcpy(context) {
  const { bytes, role } = context;
  if (role === "server") return { run() {} };
  const from = new Uint8Array(contentOf(bytes).buffer);
  const run = (count, probe) => {
    const into = new Uint8Array(ownOf(context).buffer);
    const words = new Int32Array(into.buffer);
    for (let turn = 0; turn < count; turn++) {
      into.set(from);
      words[0] = turn;
      if (probe.full) probe.hash = (probe.hash + compareBytes([words], contentOf(bytes), turn)) >>> 0;
    }
  };
  return { run };
}
