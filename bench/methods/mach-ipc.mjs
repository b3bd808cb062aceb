// The package under test through its public surface: messages of its objects, blocking and awaited.
import { mig } from "../lib/kernel.mjs";
import { Race } from "../lib/race.mjs";

const service = ({ region }) => `bench.${region}`;
const receiver = (context) => context.task.bootstrap.checkIn(service(context));
const sender = (context) => context.task.bootstrap.lookUp(service(context));
const isClient = ({ role }) => role === "client";

/** A caller that blocks. */
function callSync(right, bytes) {
  const body = new Uint8Array(bytes);
  const outgoing = { body };
  return (count, probe) => {
    for (let i = 0; i < count; i++) {
      probe.fill(body, 0, bytes, i);
      const reply = right.callSync(outgoing);
      probe.check(reply.body, 0, bytes, i);
      reply[Symbol.dispose]();
    }
  };
}

/** A caller that awaits. */
function call(right, bytes) {
  const body = new Uint8Array(bytes);
  const outgoing = { body };
  return async (count, probe) => {
    for (let i = 0; i < count; i++) {
      probe.fill(body, 0, bytes, i);
      const reply = await right.call(outgoing);
      probe.check(reply.body, 0, bytes, i);
      reply[Symbol.dispose]();
    }
  };
}

function echo(message) {
  message.respond({ body: message.body });
  message[Symbol.dispose]();
}

/** A server that blocks. */
function answerSync(port) {
  return (count) => {
    for (let i = 0; i < count; i++) echo(port.receiveSync());
  };
}

/** A server in its event loop. */
function answer(port) {
  return async (count) => {
    for (let i = 0; i < count; i++) echo(await port.receive());
  };
}

const roundTrip = (calling, answering) => async (context) => {
  const right = isClient(context) ? await sender(context) : await receiver(context);
  const run = isClient(context) ? calling(right, context.bytes) : answering(right);
  return { run, close: () => right[Symbol.dispose]() };
};

export const blockingCall = roundTrip(callSync, answerSync);
export const blockingClient = roundTrip(callSync, answer);
export const blockingServer = roundTrip(call, answerSync);
export const awaitedCall = roundTrip(call, answer);

/** Typed calls: one subsystem, one routine, the client's and the server's half of it. */
export async function typedCalls(context) {
  const { defineSubsystem, routine, t } = await mig();
  const bounded = { data: t.bytes(context.bytes) };
  const routines = { echo: routine(bounded, bounded) };
  const Echo = defineSubsystem({ name: "echo", base: 5000, routines });
  const { bootstrap } = context.task;
  if (isClient(context)) {
    const client = await bootstrap.lookUp(Echo, service(context));
    return { call: (data) => client.echo({ data }), payloadOf: ({ data }) => data };
  }
  const server = await bootstrap.serve(Echo, service(context), { echo: ({ data }) => ({ data }) });
  return { run: () => {}, close: () => server[Symbol.dispose]?.() };
}

/** A queue of 1024 bounds the sender, which sleeps while it is full. */
export async function oneWay(context) {
  const { bytes } = context;
  const right = isClient(context) ? await sender(context) : await receiver(context);
  const body = new Uint8Array(bytes);
  const outgoing = { body };
  const send = (count, probe) => {
    for (let i = 0; i < count; i++) {
      probe.fill(body, 0, bytes, i);
      right.sendSync(outgoing);
    }
  };
  const receive = (count, probe) => {
    for (let i = 0; i < count; i++) {
      const message = right.receiveSync();
      probe.check(message.body, 0, bytes, i);
      message[Symbol.dispose]();
    }
  };
  return { run: isClient(context) ? send : receive, close: () => right[Symbol.dispose]() };
}

/** Several senders to one port; the message's id says whose it is. */
export async function fanIn(context) {
  const { bytes, index, ports } = context;
  if (isClient(context)) {
    const right = await sender(context);
    const body = new Uint8Array(bytes);
    const outgoing = { id: index, body };
    const run = (count, probe) => {
      for (let i = 0; i < count; i++) {
        probe.fill(body, 0, bytes, i);
        right.sendSync(outgoing);
      }
    };
    return { run, close: () => right[Symbol.dispose]() };
  }
  const port = await receiver(context);
  const run = (count, probe) => {
    const race = new Race(ports.length, count);
    while (!race.over) {
      const message = port.receiveSync();
      probe.check(message.body, 0, bytes, race.count(message.id));
      message[Symbol.dispose]();
    }
    return race.result;
  };
  return { run, close: () => port[Symbol.dispose]() };
}
