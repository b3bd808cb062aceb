// A space without room for one more name (A105, A116, A117): what is delivered and what is lost. Method: all names of one
// space are used up, which takes a while, so its cases share one test.

import { expect, test } from "vitest";
import {
  KERN_NO_SPACE,
  KERN_SUCCESS,
  MACH_MSG_IPC_SPACE,
  MACH_MSG_SUCCESS,
  MACH_MSG_TYPE_COPY_SEND,
  MACH_MSG_TYPE_MAKE_SEND,
  MACH_MSG_TYPE_MAKE_SEND_ONCE,
  MACH_NOTIFY_SEND_ONCE,
  MACH_PORT_RIGHT_DEAD_NAME,
  MACH_RCV_BODY_ERROR,
  MACH_RCV_HEADER_ERROR,
  MACH_SEND_TIMED_OUT,
} from "../../host-ts/abi/codes.gen.ts";
import { boot } from "../lib/boot.js";
import { build, parse } from "../lib/message.js";
import { expectCode, give, type Space } from "../lib/space.js";

function fillNames(space: Space): void {
  let code = 0;
  do code = space.core.mach_port_allocate(space.handle, space.self, MACH_PORT_RIGHT_DEAD_NAME);
  while (code === KERN_SUCCESS);
  expectCode(code, KERN_NO_SPACE);
}

test("A105 A116 A117 in a full space the reply or the body's rights are lost and the code says so", {
  timeout: 120_000,
}, async () => {
  await using machine = await boot();
  const [a, b] = [machine.task(), machine.task()];
  const [inbox, closed] = [b.allocate(), b.allocate()];
  const outbox = give(b, inbox, MACH_MSG_TYPE_MAKE_SEND, a);
  const [reply, known, unknown] = [a.allocate(), a.allocate(), a.allocate()];
  const inB = give(a, known, MACH_MSG_TYPE_MAKE_SEND, b);
  expectCode(b.setQlimit(closed, 0), KERN_SUCCESS);
  const to = { remote: outbox, remoteDisposition: MACH_MSG_TYPE_COPY_SEND };
  const descriptors = [unknown, known].map((name) => ({ name, disposition: MACH_MSG_TYPE_MAKE_SEND }));
  const localDisposition = MACH_MSG_TYPE_MAKE_SEND_ONCE;
  expectCode(a.send({ ...to, local: reply, localDisposition, descriptors, id: 1 }), MACH_MSG_SUCCESS);
  expectCode(a.send({ ...to, descriptors, id: 2 }), MACH_MSG_SUCCESS);
  fillNames(b);

  const header = b.receive(inbox);
  expectCode(header.code, MACH_RCV_HEADER_ERROR | MACH_MSG_IPC_SPACE);
  expect(header.message).toMatchObject({ local: inbox, remote: 0 });
  expect(a.take(reply).id).toBe(MACH_NOTIFY_SEND_ONCE);
  expect(b.sends(inB)).toBe(1);
  expect(b.status(inbox).msgcount).toBe(1);

  const body = b.receive(inbox);
  expectCode(body.code, MACH_RCV_BODY_ERROR | MACH_MSG_IPC_SPACE);
  expect(body.message).toMatchObject({ local: inbox, id: 2 });
  expect(body.message.descriptors.map(({ name }) => name)).toEqual([0, inB]);
  expect(b.sends(inB)).toBe(2);
  expect(a.status(unknown).srights).toBe(0);

  const bytes = build({
    ...{ remote: closed, remoteDisposition: MACH_MSG_TYPE_MAKE_SEND, local: inbox, localDisposition },
  });
  expectCode(b.send(bytes), MACH_SEND_TIMED_OUT | MACH_MSG_IPC_SPACE);
  expect(parse(bytes)).toMatchObject({ remote: closed, local: 0 });
});
