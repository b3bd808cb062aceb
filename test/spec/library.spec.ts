// Mach's library above the message call: mach_msg_destroy (A214, A215), mach_msg_server and mach_msg_server_once (A212).

import { expect, test } from "vitest";
import type { Demux } from "mach-ipc/traps";
import {
  KERN_FAILURE,
  KERN_SUCCESS,
  MACH_MSG_SUCCESS,
  MACH_MSG_TYPE_COPY_SEND,
  MACH_MSG_TYPE_MAKE_SEND,
  MACH_MSG_TYPE_MAKE_SEND_ONCE,
  MACH_MSG_TYPE_MOVE_RECEIVE,
  MACH_MSG_TYPE_MOVE_SEND,
  MACH_MSG_TYPE_MOVE_SEND_ONCE,
  MACH_NOTIFY_NO_SENDERS,
  MACH_NOTIFY_SEND_ONCE,
  MACH_PORT_DEAD,
  MACH_PORT_TYPE_DEAD_NAME,
  MACH_RCV_INVALID_NAME,
  MACH_RCV_LARGE,
  MACH_RCV_TIMED_OUT,
  MACH_RCV_TIMEOUT,
  MACH_RCV_TOO_LARGE,
  MACH_SEND_INVALID_DEST,
  MACH_SEND_INVALID_HEADER,
  MACH_SEND_TIMED_OUT,
  MIG_BAD_ARGUMENTS,
  MIG_NO_REPLY,
} from "../../host-ts/abi/codes.gen.ts";
import { boot } from "../lib/boot.js";
import { build, parse, setWord, word } from "../lib/message.js";
import { sendRight, told } from "../lib/notifications.js";
import { expectCode, give, type Space } from "../lib/space.js";

test("A214 destroying a received message releases its reply, and each right by its type, and leaves the local port", async () => {
  await using machine = await boot();
  const [a, b] = [machine.task(), machine.task()];
  const inbox = b.allocate();
  const outbox = give(b, inbox, MACH_MSG_TYPE_MAKE_SEND, a);
  const [reply, counted, once, moved] = [a.allocate(), a.allocate(), a.allocate(), a.allocate()];
  const watch = give(a, moved, MACH_MSG_TYPE_MAKE_SEND, a);
  const before = b.names();
  const sent = a.send({
    ...{ remote: outbox, remoteDisposition: MACH_MSG_TYPE_COPY_SEND },
    ...{ local: reply, localDisposition: MACH_MSG_TYPE_MAKE_SEND_ONCE },
    descriptors: [
      { name: counted, disposition: MACH_MSG_TYPE_MAKE_SEND },
      { name: once, disposition: MACH_MSG_TYPE_MAKE_SEND_ONCE },
      { name: moved, disposition: MACH_MSG_TYPE_MOVE_RECEIVE },
      { name: MACH_PORT_DEAD, disposition: MACH_MSG_TYPE_COPY_SEND },
    ],
  });
  expectCode(sent, MACH_MSG_SUCCESS);
  const { buffer } = b.receive(inbox);
  expect(b.names().size).toBe(before.size + 4);
  b.traps.mach_msg_destroy(buffer);
  expect(b.names()).toEqual(before);
  expect(a.take(reply).id).toBe(MACH_NOTIFY_SEND_ONCE);
  expect(a.take(once).id).toBe(MACH_NOTIFY_SEND_ONCE);
  expect(a.status(counted).srights).toBe(0);
  expect(a.type(watch)).toBe(MACH_PORT_TYPE_DEAD_NAME);
});

test("A214 a message that is cut off, or says that it has more than it can, is destroyed as far as it goes", async () => {
  await using machine = await boot();
  const a = machine.task();
  const port = a.allocateWithSend();
  a.traps.mach_msg_destroy(new Uint8Array(20));
  const descriptors = [{ name: port, disposition: MACH_MSG_TYPE_MOVE_SEND }];
  const bytes = build({ descriptors });
  setWord(bytes, 24, 0xffffffff);
  a.traps.mach_msg_destroy(bytes);
  expect(a.sends(port)).toBe(0);
});

test("A215 destroying a message that was not sent does what sending and destroying it would", async () => {
  await using machine = await boot();
  const [a, b] = [machine.task(), machine.task()];
  const notify = a.allocate();
  const { port, send } = sendRight(b, a);
  const [made, target] = [a.allocate(), a.allocate()];
  expectCode(a.modRefs(send, 0, 1), KERN_SUCCESS);
  a.arm(made, MACH_NOTIFY_NO_SENDERS, notify, 1);
  const once = give(b, port, MACH_MSG_TYPE_MAKE_SEND_ONCE, a);
  const bytes = build({
    ...{ remote: send, remoteDisposition: MACH_MSG_TYPE_COPY_SEND },
    descriptors: [
      { name: send, disposition: MACH_MSG_TYPE_MOVE_SEND },
      { name: made, disposition: MACH_MSG_TYPE_MAKE_SEND },
      { name: target, disposition: MACH_MSG_TYPE_MAKE_SEND_ONCE },
      { name: once, disposition: MACH_MSG_TYPE_MOVE_SEND_ONCE },
    ],
  });
  a.traps.mach_msg_destroy(bytes);
  expect(a.sends(send)).toBe(1);
  expect(told(a, notify)).toMatchObject({ id: MACH_NOTIFY_NO_SENDERS, value: 1 });
  expect(a.status(made)).toMatchObject({ mscount: 1, srights: 0 });
  expect(told(a, target).id).toBe(MACH_NOTIFY_SEND_ONCE);
  expect(a.status(target)).toMatchObject({ sorights: 0, mscount: 0 });
  expect(told(b, port).id).toBe(MACH_NOTIFY_SEND_ONCE);
  expect(a.has(once)).toBe(false);
});

const ANSWER = 100;

/** Writes a MIG reply with `kr`, to the request's reply right, `disposition` 0: as it came. */
function answer(request: Uint8Array, reply: Uint8Array, kr = KERN_SUCCESS as number, disposition = 0): boolean {
  const { id, remote, remoteType } = parse(request);
  const remoteDisposition = disposition === 0 ? remoteType : disposition;
  reply.set(build({ remote, remoteDisposition, id: id + ANSWER, data: new Uint8Array(12) }));
  setWord(reply, 32, kr >>> 0);
  return true;
}

/** A client with a reply port and a send right to a port of the server. */
function pair(server: Space, client: Space) {
  const inbox = server.allocate();
  const outbox = give(server, inbox, MACH_MSG_TYPE_MAKE_SEND, client);
  const reply = client.allocate();
  const ask = (id: number, more: object = {}): void =>
    expectCode(
      client.send({
        ...{ remote: outbox, remoteDisposition: MACH_MSG_TYPE_COPY_SEND, id },
        ...{ local: reply, localDisposition: MACH_MSG_TYPE_MAKE_SEND_ONCE, ...more },
      }),
      MACH_MSG_SUCCESS,
    );
  return { inbox, outbox, reply, ask };
}

const serve = (space: Space, demux: Demux, name: number, size = 64, options = 0): number =>
  space.traps.mach_msg_server(demux, size, name, MACH_RCV_TIMEOUT | options);

test("A212 a server answers each request in order until receiving fails", async () => {
  await using machine = await boot();
  const [a, b] = [machine.task(), machine.task()];
  const { inbox, reply, ask } = pair(b, a);
  const before = b.names();
  for (const id of [1, 2, 3]) ask(id);
  expectCode(serve(b, answer, inbox), MACH_RCV_TIMED_OUT);
  for (const id of [1, 2, 3]) expect(a.take(reply).id).toBe(id + ANSWER);
  a.expectEmpty(reply);
  expect(b.names()).toEqual(before);
  expectCode(serve(b, answer, 0x7703), MACH_RCV_INVALID_NAME);
  expect(() => serve(b, null as unknown as Demux, inbox)).toThrow(TypeError);
});

test("A212 an error reply destroys the rights of its request, MIG_NO_REPLY leaves them and sends nothing", async () => {
  await using machine = await boot();
  const [a, b] = [machine.task(), machine.task()];
  const { inbox, reply, ask } = pair(b, a);
  const [given, kept] = [a.allocate(), a.allocate()];
  ask(1, { descriptors: [{ name: given, disposition: MACH_MSG_TYPE_MAKE_SEND }] });
  expectCode(
    serve(b, (request, into) => answer(request, into, MIG_BAD_ARGUMENTS), inbox),
    MACH_RCV_TIMED_OUT,
  );
  const { buffer } = a.receive(reply);
  expect([word(buffer, 20), word(buffer, 32) | 0]).toEqual([1 + ANSWER, MIG_BAD_ARGUMENTS]);
  expect(a.status(given).srights).toBe(0);
  ask(2, { descriptors: [{ name: kept, disposition: MACH_MSG_TYPE_MAKE_SEND }] });
  let once = 0;
  const later: Demux = (request, into) => {
    once = parse(request).remote;
    return answer(request, into, MIG_NO_REPLY);
  };
  expectCode(serve(b, later, inbox), MACH_RCV_TIMED_OUT);
  a.expectEmpty(reply);
  expect(a.status(kept).srights).toBe(1);
  expectCode(b.send({ remote: once, remoteDisposition: MACH_MSG_TYPE_MOVE_SEND_ONCE, id: 7 }), MACH_MSG_SUCCESS);
  expect(a.take(reply).id).toBe(7);
});

test("A212 a demux that writes nothing sends nothing", async () => {
  await using machine = await boot();
  const [a, b] = [machine.task(), machine.task()];
  const { inbox, reply, ask } = pair(b, a);
  ask(1);
  ask(2);
  let seen = 0;
  const first: Demux = (request, into) => (seen++ === 0 ? answer(request, into) : false);
  expectCode(serve(b, first, inbox), MACH_RCV_TIMED_OUT);
  expect(seen).toBe(2);
  expect(a.take(reply).id).toBe(1 + ANSWER);
  a.expectEmpty(reply);
});

test("A212 a reply that cannot be delivered is destroyed with its rights, and the server goes on", async () => {
  await using machine = await boot();
  const [a, b] = [machine.task(), machine.task()];
  const { inbox, outbox, reply, ask } = pair(b, a);
  const [gone, full] = [a.allocate(), a.allocate()];
  expectCode(a.setQlimit(full, 0), KERN_SUCCESS);
  ask(1, { local: gone });
  ask(2, { local: full, localDisposition: MACH_MSG_TYPE_MAKE_SEND });
  ask(3);
  expectCode(a.destroy(gone), KERN_SUCCESS);
  const before = b.names();
  const carried = b.allocate();
  const withRight: Demux = (request, into) => {
    const { id, remote, remoteType } = parse(request);
    const descriptors = [{ name: carried, disposition: MACH_MSG_TYPE_MAKE_SEND }];
    into.set(build({ remote, remoteDisposition: remoteType, id: id + ANSWER, descriptors }));
    return true;
  };
  expectCode(serve(b, withRight, inbox), MACH_RCV_TIMED_OUT);
  expect(a.take(reply).id).toBe(3 + ANSWER);
  a.expectEmpty(full);
  expect(a.status(full)).toMatchObject({ srights: 0, msgcount: 0 });
  expect(b.status(carried)).toMatchObject({ srights: 1 });
  expectCode(b.destroy(carried), KERN_SUCCESS);
  expect(b.names()).toEqual(before);
  expect(a.sends(outbox)).toBe(1);
});

test("A212 with RCV_LARGE the buffer grows, without it a large request ends the server", async () => {
  await using machine = await boot();
  const [a, b] = [machine.task(), machine.task()];
  const { inbox, reply, ask } = pair(b, a);
  const data = new Uint8Array(5000).fill(7);
  let bytes = 0;
  const measure: Demux = (request, into) => {
    bytes = parse(request).data.length;
    return answer(request, into);
  };
  ask(1, { data });
  expectCode(serve(b, measure, inbox, 64, MACH_RCV_LARGE), MACH_RCV_TIMED_OUT);
  expect(bytes).toBe(5000);
  expect(a.take(reply).id).toBe(1 + ANSWER);
  ask(2, { data });
  expectCode(serve(b, measure, inbox), MACH_RCV_TOO_LARGE);
  expect(a.take(reply).id).toBe(MACH_NOTIFY_SEND_ONCE);
});

test("A212 a largest size above any message's is as good as the largest message's", async () => {
  await using machine = await boot();
  const [a, b] = [machine.task(), machine.task()];
  const { inbox, reply, ask } = pair(b, a);
  const data = new Uint8Array(5000).fill(7);
  for (const size of [0x90000000, 0xffffffff]) {
    ask(1, { data });
    expectCode(serve(b, answer, inbox, size), MACH_RCV_TIMED_OUT);
    expect(a.take(reply).id).toBe(1 + ANSWER);
  }
});

test("A212 mach_msg_server_once serves one request and answers how its reply fared", async () => {
  await using machine = await boot();
  const [a, b] = [machine.task(), machine.task()];
  const { inbox, reply, ask } = pair(b, a);
  const once = (demux: Demux): number => b.traps.mach_msg_server_once(demux, 64, inbox, MACH_RCV_TIMEOUT);
  expectCode(once(answer), MACH_RCV_TIMED_OUT);
  ask(1);
  ask(2);
  expectCode(once(answer), MACH_MSG_SUCCESS);
  expect(a.take(reply).id).toBe(1 + ANSWER);
  a.expectEmpty(reply);
  expectCode(
    once((request, into) => answer(request, into, KERN_FAILURE)),
    MACH_MSG_SUCCESS,
  );
  expect(a.take(reply).id).toBe(2 + ANSWER);
  const [gone, full] = [a.allocate(), a.allocate()];
  expectCode(a.setQlimit(full, 0), KERN_SUCCESS);
  ask(3, { local: gone });
  expectCode(a.destroy(gone), KERN_SUCCESS);
  expectCode(once(answer), MACH_SEND_INVALID_DEST);
  ask(4, { local: full, localDisposition: MACH_MSG_TYPE_MAKE_SEND });
  const before = b.names();
  expectCode(once(answer), MACH_SEND_TIMED_OUT);
  expect(a.status(full).srights).toBe(0);
  expect(b.names()).toEqual(before);
  ask(5);
  expectCode(
    once((request, into) => answer(request, into, 0, 30)),
    MACH_SEND_INVALID_HEADER,
  );
});
