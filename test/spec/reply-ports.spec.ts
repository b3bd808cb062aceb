// Reply ports and MIG's codes (A209, A212, A213).

import { expect, test } from "vitest";
import {
  KERN_SUCCESS,
  MACH_MSG_SUCCESS,
  MACH_MSG_TYPE_MAKE_SEND,
  MACH_MSG_TYPE_MAKE_SEND_ONCE,
  MACH_NOTIFY_SEND_ONCE,
  MACH_PORT_TYPE_RECEIVE,
  MIG_ARRAY_TOO_LARGE,
  MIG_BAD_ARGUMENTS,
  MIG_BAD_ID,
  MIG_EXCEPTION,
  MIG_NO_REPLY,
  MIG_REMOTE_ERROR,
  MIG_REPLY_MISMATCH,
  MIG_SERVER_DIED,
  MIG_TRAILER_ERROR,
  MIG_TYPE_ERROR,
} from "../../host-ts/abi/codes.gen.ts";
import { boot } from "../lib/boot.js";
import { expectCode, give } from "../lib/space.js";

test("A209 each mach_reply_port is a new receive right without sends", async () => {
  await using machine = await boot();
  const a = machine.task();
  const ports = Array.from({ length: 5 }, () => a.traps.mach_reply_port());
  expect(new Set(ports).size).toBe(5);
  for (const port of ports) {
    expect(a.type(port)).toBe(MACH_PORT_TYPE_RECEIVE);
    expect(a.status(port)).toMatchObject({ srights: 0, sorights: 0, mscount: 0, msgcount: 0 });
  }
});

test("A212 MIG's codes are -300 to -309", () => {
  expect([
    MIG_TYPE_ERROR,
    MIG_REPLY_MISMATCH,
    MIG_REMOTE_ERROR,
    MIG_BAD_ID,
    MIG_BAD_ARGUMENTS,
    MIG_NO_REPLY,
    MIG_EXCEPTION,
    MIG_ARRAY_TOO_LARGE,
    MIG_SERVER_DIED,
    MIG_TRAILER_ERROR,
  ]).toEqual([-300, -301, -302, -303, -304, -305, -306, -307, -308, -309]);
});

test("A213 a client whose server dies gets message 71 on its reply port, read or unread", async () => {
  await using machine = await boot();
  const client = machine.task();
  for (const reads of [false, true]) {
    const server = machine.task();
    const service = server.allocate();
    const door = give(server, service, MACH_MSG_TYPE_MAKE_SEND, client);
    const reply = client.traps.mach_reply_port();
    const waiting = client.receivePending(reply);
    const sent = client.send({
      ...{ remote: door, remoteDisposition: 19, id: 1000 },
      ...{ local: reply, localDisposition: MACH_MSG_TYPE_MAKE_SEND_ONCE },
    });
    expectCode(sent, MACH_MSG_SUCCESS);
    if (reads) expect(server.take(service).id).toBe(1000);
    server.task[Symbol.dispose]();
    machine.deliver();
    expect(waiting.completed).toBe(true);
    expectCode(waiting.code, MACH_MSG_SUCCESS);
    expect(waiting.message).toMatchObject({ id: MACH_NOTIFY_SEND_ONCE, size: 24, local: reply, localType: 18 });
    expectCode(client.destroy(reply), KERN_SUCCESS);
  }
});
