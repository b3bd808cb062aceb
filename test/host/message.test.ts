// Goal: what was sent is what is read, of any size, in place until disposed. Method: one thread.

import { expect, test } from "vitest";
import { Kernel, type Message, move, type ReceiveRight, type SendRight } from "mach-ipc";
import { traps } from "mach-ipc/traps";
import {
  MACH_MSG_TYPE_COPY_SEND,
  MACH_MSG_TYPE_MAKE_SEND,
  MACH_MSG_TYPE_MOVE_RECEIVE,
  MACH_PORT_RIGHT_RECEIVE,
  MACH_SEND_MSG,
} from "../../host-ts/abi/codes.gen.ts";
import { inNewArray } from "../lib/arrays.js";
import { build } from "../lib/message.js";
import { live, thrown, warmUp } from "./lib.js";

test.each([0, 1, 2, 3, 4, 5, 100, 1000, 4000, 4096, 5000, 65_536, 1_000_000])(
  "a body of %i bytes arrives as it is",
  async (bytes) => {
    await using kernel = await Kernel.boot();
    const before = live(kernel);
    const port = kernel.task.allocatePort();
    const right = port.makeSend();
    const body = Uint8Array.from({ length: bytes }, (_, index) => (index * 31 + bytes) & 0xff);
    right.sendSync({ id: -7, body });
    right.sendSync({
      id: 8,
      bodyBytes: bytes,
      body: (view) => {
        expect(view.length).toBe(bytes);
        expect(view.every((byte) => byte === 0)).toBe(true);
        view.set(body);
      },
      rights: [right],
    });
    for (const id of [-7, 8]) {
      const message = port.receiveSync({ timeout: 1000 });
      expect(message.id).toBe(id);
      expect(message.body.length).toBe(bytes);
      expect(Buffer.compare(message.body, body)).toBe(0);
      expect(message.rights.length).toBe(id === 8 ? 1 : 0);
      for (const carried of message.rights) carried[Symbol.dispose]();
      message[Symbol.dispose]();
    }
    right[Symbol.dispose]();
    port[Symbol.dispose]();
    expect(live(kernel)).toEqual(before);
  },
);

test("every use of a disposed message throws", async () => {
  await using kernel = await Kernel.boot();
  const port = kernel.task.allocatePort();
  port.makeSend().sendSync({ id: 1, body: new Uint8Array(8) });
  const message = port.receiveSync({ timeout: 1000 });
  message[Symbol.dispose]();
  message[Symbol.dispose]();
  for (const use of [
    () => message.id,
    () => message.body,
    () => message.rights,
    () => message.seqno,
    () => message.reply,
  ]) {
    expect(thrown(use).code).toBe("KERN_INVALID_NAME");
  }
});

test("a message outlives its port, whose right it gives out disposed then", async () => {
  await using kernel = await Kernel.boot();
  const { task } = kernel;
  const { receivers } = (task.allocatePort() as unknown as { space: { receivers: Map<number, unknown> } }).space;
  for (const moved of [false, true]) {
    const port = task.allocatePort();
    const right = port.makeSend();
    right.trySend({ id: 1 });
    using message = port.tryReceive() as Message;
    expect(message.port).toBe(port);
    const known = receivers.size;
    if (moved) right.trySend({ rights: [move(port)] });
    else port[Symbol.dispose]();
    expect([port.disposed, message.port.disposed]).toEqual([true, true]);
    expect(thrown(() => message.port.makeSend()).code).toBe("KERN_INVALID_NAME");
    expect(receivers.size).toBe(known - 1);
  }
});

test("a message to a port that was made by its Mach name gives out its right", async () => {
  await using kernel = await Kernel.boot();
  const { task } = kernel;
  const set = task.allocatePortSet();
  const mach = traps(task);
  const out = new Uint32Array(1);
  expect(mach.mach_port_allocate(mach.mach_task_self(), MACH_PORT_RIGHT_RECEIVE, out)).toBe(0);
  const [name] = out as unknown as [number];
  expect(mach.mach_port_insert_member(mach.mach_task_self(), name, set.name)).toBe(0);
  expect(mach.mach_port_insert_right(mach.mach_task_self(), name, name, MACH_MSG_TYPE_MAKE_SEND)).toBe(0);
  const draft = build({ remote: name, remoteDisposition: MACH_MSG_TYPE_COPY_SEND, id: 3 });
  expect(mach.mach_msg(draft, MACH_SEND_MSG, draft.length, 0, 0, 0, 0)).toBe(0);
  using message = set.tryReceive() as Message;
  expect([message.port.name, message.port.disposed]).toEqual([name, false]);
  expect(message.port).toBe(message.port);
});

test("a message answers its sender once", async () => {
  await using kernel = await Kernel.boot();
  warmUp(kernel);
  const before = live(kernel);
  const [service, back] = [kernel.task.allocatePort(), kernel.task.allocatePort()];
  const right = service.makeSend();
  right.sendSync({ id: 5, reply: back.makeSendOnce() });
  const request = service.receiveSync({ timeout: 1000 });
  request.respond({ body: new Uint8Array([1, 2, 3]) });
  expect(thrown(() => request.respond({})).code).toBe("KERN_INVALID_NAME");
  request[Symbol.dispose]();
  const answer = back.receiveSync({ timeout: 1000 });
  expect([answer.id, [...answer.body]]).toEqual([105, [1, 2, 3]]);
  answer[Symbol.dispose]();
  right.sendSync({ id: 6 });
  const plain = service.receiveSync({ timeout: 1000 });
  expect(plain.reply).toBeNull();
  expect(thrown(() => plain.respond({})).code).toBe("MACH_SEND_INVALID_REPLY");
  plain[Symbol.dispose]();
  for (const owned of [right, service, back]) owned[Symbol.dispose]();
  expect(live(kernel)).toEqual(before);
});

test("an answer to somebody who is dead is destroyed with its rights, and is no error", async () => {
  await using kernel = await Kernel.boot();
  warmUp(kernel);
  const before = live(kernel);
  const service = kernel.task.allocatePort();
  const right = service.makeSend();
  for (const taken of [false, true]) {
    const back = kernel.task.allocatePort();
    right.sendSync({ id: 5, reply: back.makeSendOnce() });
    const request = service.receiveSync({ timeout: 1000 });
    if (taken) expect(request.reply).not.toBeNull();
    back[Symbol.dispose]();
    const given = kernel.task.allocatePort();
    const copied = given.makeSend();
    request.respond({ rights: [copied, move(given)] });
    expect(given.disposed).toBe(true);
    expect(thrown(() => request.respond({})).code).toBe("KERN_INVALID_NAME");
    expect(() => copied.copy()).toThrow(); // its port was the moved one, which is gone
    request[Symbol.dispose]();
    copied[Symbol.dispose]();
  }
  for (const owned of [right, service]) owned[Symbol.dispose]();
  expect(live(kernel)).toEqual(before);
});

test("a request that is disposed unanswered tells the caller", async () => {
  await using kernel = await Kernel.boot();
  const service = kernel.task.allocatePort();
  const right = service.makeSend();
  const call = right.call({ id: 1 });
  const request = await service.receive({ timeout: 1000 });
  request[Symbol.dispose]();
  await expect(call).rejects.toMatchObject({ code: "MIG_SERVER_DIED" });
});

test("a reply right that was taken out outlives its message", async () => {
  await using kernel = await Kernel.boot();
  const service = kernel.task.allocatePort();
  const right = service.makeSend();
  const call = right.call({ id: 1 });
  const request = await service.receive({ timeout: 1000 });
  const { reply } = request;
  request[Symbol.dispose]();
  if (reply === null) throw new Error("no reply right");
  reply.send({ id: 50, body: new Uint8Array([9]) });
  const answer = await call;
  expect([answer.id, [...answer.body]]).toEqual([50, [9]]);
});

test("32 rights travel in one message", async () => {
  await using kernel = await Kernel.boot();
  const before = live(kernel);
  const port = kernel.task.allocatePort();
  const right = port.makeSend();
  const ports = Array.from({ length: 32 }, () => kernel.task.allocatePort());
  right.sendSync({ rights: ports.map((each) => move(each)), body: new Uint8Array([1]) });
  const message = port.receiveSync({ timeout: 1000 });
  expect(message.rights.map((each) => each.constructor.name)).toEqual(new Array(32).fill("ReceiveRight"));
  expect([...message.body]).toEqual([1]);
  for (const each of message.rights) each[Symbol.dispose]();
  message[Symbol.dispose]();
  right[Symbol.dispose]();
  port[Symbol.dispose]();
  expect(live(kernel)).toEqual(before);
});

test("the rights of an array of ports are the message's: taken out in order, or released with it", async () => {
  await using kernel = await Kernel.boot();
  const before = live(kernel);
  const port = kernel.task.allocatePort();
  const right = port.makeSend();
  const ports = Array.from({ length: 3 }, () => kernel.task.allocatePort());
  const mach = traps(kernel.task);
  const send = (): void => {
    const space = { traps: mach, self: mach.mach_task_self() };
    const names = ports.map(({ name }) => name);
    const listed = inNewArray(space, names, MACH_MSG_TYPE_MOVE_RECEIVE);
    const single = { name: right.name, disposition: MACH_MSG_TYPE_COPY_SEND };
    const draft = { remote: right.name, remoteDisposition: MACH_MSG_TYPE_COPY_SEND };
    const bytes = build({ ...draft, descriptors: [listed, single], data: new Uint8Array([1, 2, 3, 4]) });
    expect(mach.mach_msg(bytes, MACH_SEND_MSG, bytes.length, 0, 0, 0, 0)).toBe(0);
  };
  send();
  const message = port.receiveSync({ timeout: 1000 });
  expect(message.rights.map((each) => each.constructor.name)).toEqual([
    ...["ReceiveRight", "ReceiveRight", "ReceiveRight"],
    "SendRight",
  ]);
  expect([...message.body]).toEqual([1, 2, 3, 4]);
  const taken = [...message.rights];
  message[Symbol.dispose]();
  const [first, , , carried] = taken as [ReceiveRight, ReceiveRight, ReceiveRight, SendRight];
  carried.sendSync({ id: 5 });
  const answer = port.receiveSync({ timeout: 1000 });
  expect(answer.id).toBe(5);
  answer[Symbol.dispose]();
  expect(first.tryReceive()).toBe(null);
  ports.splice(0, 3, ...(taken.slice(0, 3) as ReceiveRight[]));
  send();
  port.receiveSync({ timeout: 1000 })[Symbol.dispose]();
  expect(thrown(() => first.tryReceive()).code).toBe("MACH_RCV_INVALID_NAME");
  for (const each of [carried, right, port]) each[Symbol.dispose]();
  expect(live(kernel)).toEqual(before);
});
