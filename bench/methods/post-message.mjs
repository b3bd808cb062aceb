// The platform's own way: a MessagePort between the two workers, a structured clone for each message.
import { MessageChannel, receiveMessageOnPort } from "node:worker_threads";
import { Race } from "../lib/race.mjs";

/** A closed loop of callbacks, without promises: its fastest form. */
export function roundTrip(context) {
  const {
    bytes,
    role,
    ports: [port],
  } = context;
  if (role === "server") return echoServer(port);
  const payload = new Uint8Array(bytes);
  let step;
  port.on("message", (reply) => step(reply));
  const run = (count, probe) =>
    new Promise((resolve, reject) => {
      let i = 0;
      step = (reply) => {
        try {
          probe.check(reply, 0, bytes, i);
        } catch (error) {
          reject(error);
        }
        if (++i === count) return resolve();
        probe.fill(payload, 0, bytes, i);
        port.postMessage(payload);
      };
      probe.fill(payload, 0, bytes, 0);
      port.postMessage(payload);
    });
  return { run, close: () => port.close() };
}

function echoServer(port) {
  let left = 0;
  let finish;
  port.on("message", (payload) => {
    port.postMessage(payload);
    if (--left === 0) finish();
  });
  const run = (count) =>
    new Promise((resolve) => {
      left = count;
      finish = resolve;
    });
  return { run, close: () => port.close() };
}

/** A promise for each call, answered in order: the least that makes calls out of messages. */
export function calls(context) {
  const {
    role,
    ports: [port],
  } = context;
  if (role === "server") return echoServer(port);
  const waiting = [];
  let first = 0;
  port.on("message", (reply) => {
    waiting[first++](reply);
    if (first === waiting.length) waiting.length = first = 0;
  });
  const call = (payload) =>
    new Promise((resolve) => {
      waiting.push(resolve);
      port.postMessage(payload);
    });
  return { call, close: () => port.close() };
}

/** A flood: nothing bounds the queue. `batch` payloads go in one array. */
export function oneWay(context) {
  const {
    bytes,
    batch,
    role,
    ports: [port],
  } = context;
  if (role === "client") {
    const payloads = Array.from({ length: batch }, () => new Uint8Array(bytes));
    const run = (count, probe) => {
      for (let i = 0; i < count; i += batch) {
        for (let k = 0; k < batch; k++) probe.fill(payloads[k], 0, bytes, i + k);
        port.postMessage(batch === 1 ? payloads[0] : payloads);
      }
    };
    return { run, close: () => port.close() };
  }
  let take;
  port.on("message", (message) => take(message));
  const run = (count, probe) =>
    new Promise((resolve, reject) => {
      let i = 0;
      take = (message) => {
        try {
          if (batch === 1) probe.check(message, 0, bytes, i++);
          else for (const payload of message) probe.check(payload, 0, bytes, i++);
        } catch (error) {
          reject(error);
        }
        if (i === count) resolve();
      };
    });
  return { run, close: () => port.close() };
}

/** A thread's messages to itself, taken without a turn of the event loop. */
export function toItself({ bytes }) {
  const { port1, port2 } = new MessageChannel();
  const payload = new Uint8Array(bytes);
  const run = (count, probe) => {
    for (let i = 0; i < count; i++) {
      probe.fill(payload, 0, bytes, i);
      port1.postMessage(payload);
      probe.check(receiveMessageOnPort(port2).message, 0, bytes, i);
    }
  };
  return { run, close: () => port1.close() };
}

/** Floods of several senders, each over a port of its own, into one receiver. */
export function fanIn(context) {
  const { bytes, role, ports } = context;
  if (role === "client") return oneWay(context);
  const close = () => {
    for (const port of ports) port.close();
  };
  let tally;
  for (const [sender, port] of ports.entries()) {
    port.on("message", (message) => tally(sender, message));
  }
  const run = (count, probe) =>
    new Promise((resolve, reject) => {
      const race = new Race(ports.length, count);
      tally = (sender, message) => {
        try {
          probe.check(message, 0, bytes, race.count(sender));
        } catch (error) {
          reject(error);
        }
        if (race.over) resolve(race.result);
      };
    });
  return { run, close };
}
