// Guarded ports in messages (A57, A74, A124, A125, A171, A214): who may give one away, and what arrives.

import { expect, test } from "vitest";
import {
  KERN_INVALID_RIGHT,
  KERN_SUCCESS,
  MACH_MSG_GUARD_FLAGS_IMMOVABLE_RECEIVE,
  MACH_MSG_GUARD_FLAGS_UNGUARDED_ON_SEND,
  MACH_MSG_GUARDED_PORT_DESCRIPTOR,
  MACH_MSG_SUCCESS,
  MACH_MSG_TYPE_COPY_SEND,
  MACH_MSG_TYPE_MAKE_SEND,
  MACH_MSG_TYPE_MAKE_SEND_ONCE,
  MACH_MSG_TYPE_MOVE_RECEIVE,
  MACH_MSG_TYPE_PORT_SEND,
  MACH_NOTIFY_PORT_DESTROYED,
  MACH_PORT_DEAD,
  MACH_PORT_NULL,
  MACH_PORT_RIGHT_DEAD_NAME,
  MACH_PORT_STATUS_FLAG_GUARD_IMMOVABLE_RECEIVE,
  MACH_PORT_STATUS_FLAG_GUARDED,
  MACH_PORT_TYPE_DEAD_NAME,
  MACH_PORT_TYPE_RECEIVE,
  MACH_PORT_TYPE_SEND,
  MACH_PORT_TYPE_SEND_RECEIVE,
  MACH_RCV_GUARDED_DESC,
  MACH_RCV_IN_PROGRESS,
  MACH_RCV_LARGE,
  MACH_RCV_TOO_LARGE,
  MACH_SEND_INVALID_RIGHT,
  MACH_SEND_TIMED_OUT,
  MPG_STRICT,
  MPO_IMMOVABLE_RECEIVE,
  MPO_STRICT,
} from "../../host-ts/abi/codes.gen.ts";
import { boot } from "../lib/boot.js";
import { guard, guarded, immovable, unguard } from "../lib/guards.js";
import { line } from "../lib/line.js";
import { build, type Parsed, parse, type PortDescriptor } from "../lib/message.js";
import { told } from "../lib/notifications.js";
import { expectCode, expectUnchanged, give, type Space } from "../lib/space.js";

const GUARD = 0x1234;
const IMMOVABLE = MACH_MSG_GUARD_FLAGS_IMMOVABLE_RECEIVE;
const UNGUARDED = MACH_MSG_GUARD_FLAGS_UNGUARDED_ON_SEND;
const option = MACH_RCV_GUARDED_DESC;

/** A descriptor of a guarded port; without context of one that is not guarded. */
function guardedPort(name: number, context = 0, flags = context === 0 ? IMMOVABLE | UNGUARDED : IMMOVABLE) {
  const type = MACH_MSG_GUARDED_PORT_DESCRIPTOR;
  return { name, disposition: MACH_MSG_TYPE_MOVE_RECEIVE, type, context, flags };
}

const only = ({ descriptors }: Parsed): PortDescriptor => descriptors[0] as PortDescriptor;
const shown = (space: Space, name: number) => [space.status(name).flags, space.context(name)];
const BOTH = MACH_PORT_STATUS_FLAG_GUARDED | MACH_PORT_STATUS_FLAG_GUARD_IMMOVABLE_RECEIVE;

test("A125 a guarded port arrives guarded by the address of the message, and immovable", async () => {
  await using machine = await boot();
  const { a, b, inbox, carry } = line(machine);
  const ports = [guarded(a, GUARD), guarded(a, GUARD, MPO_STRICT), a.allocateWithSend()];
  for (const port of ports) {
    const context = port === ports[2] ? 0 : GUARD;
    expectCode(carry(guardedPort(port, context)), MACH_MSG_SUCCESS);
    const arrived = only(b.take(inbox, { option }));
    expect(arrived).toMatchObject({ disposition: 16, type: 4, flags: IMMOVABLE });
    expect(arrived.context).not.toBe(0);
    expect(shown(b, arrived.name)).toEqual([BOTH, arrived.context]);
    expectUnchanged(KERN_INVALID_RIGHT, [b], () => b.destroy(arrived.name));
    const again = [{ name: arrived.name, disposition: MACH_MSG_TYPE_MOVE_RECEIVE }];
    const draft = { remote: inbox, remoteDisposition: MACH_MSG_TYPE_MAKE_SEND, descriptors: again };
    expectCode(b.send(draft), MACH_SEND_INVALID_RIGHT);
    expectCode(unguard(b, arrived.name, arrived.context ?? 0), KERN_SUCCESS);
    expectCode(b.destroy(arrived.name), KERN_SUCCESS);
  }
  expect(a.type(ports[2] ?? 0)).toBe(MACH_PORT_TYPE_DEAD_NAME); // its send right stayed
});

test("A125 without the flag it arrives like every other receive right, and says that it is not guarded", async () => {
  await using machine = await boot();
  const { a, b, inbox, carry } = line(machine);
  const port = guarded(a, GUARD);
  expectCode(carry(guardedPort(port, GUARD, 0)), MACH_MSG_SUCCESS);
  const arrived = only(b.take(inbox, { option }));
  expect(arrived).toMatchObject({ disposition: 16, type: 4, flags: UNGUARDED, context: 0 });
  expect(shown(b, arrived.name)).toEqual([0, 0]);
});

test("A125 names that are none go through, and rights beside guarded ports arrive as ever", async () => {
  await using machine = await boot();
  const { a, b, inbox, carry } = line(machine);
  const [port, other] = [guarded(a, GUARD), a.allocate()];
  const code = carry(
    { name: other, disposition: MACH_MSG_TYPE_MAKE_SEND },
    guardedPort(MACH_PORT_NULL, GUARD),
    guardedPort(MACH_PORT_DEAD, 0, 0),
    guardedPort(port, GUARD),
    { name: other, disposition: MACH_MSG_TYPE_MOVE_RECEIVE },
  );
  expectCode(code, MACH_MSG_SUCCESS);
  const { descriptors } = b.take(inbox, { option });
  expect(descriptors.map(({ type, flags }) => [type, flags ?? 0])).toEqual([
    [0, 0],
    [4, 3],
    [4, 2],
    [4, 1],
    [0, 0],
  ]);
  expect(descriptors.slice(1, 3).map(({ name, context }) => [name, context])).toEqual([
    [MACH_PORT_NULL, 0],
    [MACH_PORT_DEAD, 0],
  ]);
  expect(b.type(descriptors[0]?.name ?? 0)).toBe(MACH_PORT_TYPE_SEND_RECEIVE);
  expect(descriptors[4]?.name).toBe(descriptors[0]?.name);
  expect(b.type(descriptors[3]?.name ?? 0)).toBe(MACH_PORT_TYPE_RECEIVE);
});

test("A57 A60 whoever does not know the guard, or whose right is immovable or none, is refused", async () => {
  await using machine = await boot();
  const { a, b, inbox, carry } = line(machine);
  const [port, plain, fixed] = [guarded(a, GUARD), a.allocate(), immovable(a)];
  const send = give(b, b.allocate(), MACH_MSG_TYPE_MAKE_SEND, a);
  const descriptors = [
    guardedPort(port, GUARD + 1),
    guardedPort(port, 0, UNGUARDED),
    guardedPort(port, 0, 0),
    guardedPort(plain, 0, IMMOVABLE),
    guardedPort(plain, GUARD, IMMOVABLE | UNGUARDED),
    guardedPort(fixed),
    guardedPort(guarded(a, GUARD, MPO_IMMOVABLE_RECEIVE), GUARD),
    guardedPort(send),
    guardedPort(a.allocate(MACH_PORT_RIGHT_DEAD_NAME)),
    guardedPort(0x7703),
  ];
  for (const descriptor of descriptors) {
    expectUnchanged(MACH_SEND_INVALID_RIGHT, [a, b], () => carry(descriptor));
  }
  b.expectEmpty(inbox);
  // A80: what came before is gone.
  expectCode(carry(guardedPort(port, GUARD), guardedPort(plain, GUARD)), MACH_SEND_INVALID_RIGHT);
  expect(a.has(port)).toBe(false);
  expect(a.has(plain)).toBe(true);
});

test("A124 a receiver that does not know of guarded ports gets none: the right is destroyed, the rest is delivered", async () => {
  await using machine = await boot();
  const { a, b, inbox, carry } = line(machine);
  const before = machine.census();
  const port = guarded(a, GUARD);
  const watch = give(a, port, MACH_MSG_TYPE_MAKE_SEND, b);
  const other = a.allocate();
  const code = carry(guardedPort(port, GUARD), { name: other, disposition: MACH_MSG_TYPE_MOVE_RECEIVE });
  expectCode(code, MACH_MSG_SUCCESS);
  const { descriptors } = b.take(inbox);
  expect(descriptors[0]).toMatchObject({ name: MACH_PORT_NULL, context: 0, disposition: 16, type: 4 });
  expect(b.type(watch)).toBe(MACH_PORT_TYPE_DEAD_NAME);
  const name = descriptors[1]?.name ?? 0;
  expect(b.type(name)).toBe(MACH_PORT_TYPE_RECEIVE);
  expectCode(b.destroy(name), KERN_SUCCESS);
  expectCode(b.deallocate(watch), KERN_SUCCESS);
  expect(machine.census()).toEqual(before);
});

test("A124 A154 the right that is destroyed goes where port-destroyed was armed, without a guard", async () => {
  await using machine = await boot();
  const { a, b, inbox, carry } = line(machine);
  const notify = b.allocate();
  const port = guarded(a, GUARD);
  const disposition = MACH_MSG_TYPE_PORT_SEND + 1;
  const once = give(b, notify, MACH_MSG_TYPE_MAKE_SEND_ONCE, a);
  expectCode(a.request(port, MACH_NOTIFY_PORT_DESTROYED, once, { disposition }).code, KERN_SUCCESS);
  expectCode(carry(guardedPort(port, GUARD)), MACH_MSG_SUCCESS);
  expect(only(b.take(inbox)).name).toBe(MACH_PORT_NULL);
  const saved = only(told(b, notify).message);
  expect(saved.type).toBe(0);
  expect(shown(b, saved.name)).toEqual([0, 0]);
});

test("A124 A125 a receiver that waits is served by its own options", async () => {
  await using machine = await boot();
  const { a, b, inbox, carry } = line(machine);
  for (const asked of [0, option]) {
    const pending = b.receivePending(inbox, { option: asked });
    expectCode(pending.code, MACH_RCV_IN_PROGRESS);
    expectCode(carry(guardedPort(guarded(a, GUARD), GUARD)), MACH_MSG_SUCCESS);
    machine.deliver();
    const arrived = only(pending.message);
    if (asked === 0) expect(arrived.name).toBe(MACH_PORT_NULL);
    else expect(shown(b, arrived.name)).toEqual([BOTH, arrived.context]);
  }
});

test("A124 A125 a failed send gives the right back, guarded and movable, whatever the sender knows", async () => {
  await using machine = await boot();
  const { a, b, inbox, outbox } = line(machine);
  expectCode(b.setQlimit(inbox, 0), KERN_SUCCESS);
  const port = a.allocateWithSend();
  expectCode(guard(a, port, GUARD, MPG_STRICT), KERN_SUCCESS);
  const header = { remote: outbox, remoteDisposition: MACH_MSG_TYPE_COPY_SEND };
  const bytes = build({ ...header, descriptors: [guardedPort(port, GUARD)] });
  expectCode(a.send(bytes), MACH_SEND_TIMED_OUT);
  const back = only(parse(bytes));
  expect(back).toMatchObject({ name: port, disposition: 16, type: 4, flags: IMMOVABLE });
  expect(shown(a, port)).toEqual([MACH_PORT_STATUS_FLAG_GUARDED, back.context]);
  expect(back.context).not.toBe(0);
  // As it is, it can be sent again.
  expectCode(b.setQlimit(inbox, 5), KERN_SUCCESS);
  expectCode(a.send(bytes), MACH_MSG_SUCCESS);
  const arrived = only(b.take(inbox, { option }));
  expect(shown(b, arrived.name)).toEqual([BOTH, arrived.context]);

  expectCode(b.setQlimit(inbox, 0), KERN_SUCCESS);
  const plain = guarded(a, GUARD);
  const unflagged = build({ ...header, descriptors: [guardedPort(plain, GUARD, 0)] });
  expectCode(a.send(unflagged), MACH_SEND_TIMED_OUT);
  const free = only(parse(unflagged));
  expect(free).toMatchObject({ flags: UNGUARDED, context: 0 });
  expect(shown(a, free.name)).toEqual([0, 0]);
});

test("A171 a guarded port that would lie in its own queue dies with the message", async () => {
  await using machine = await boot();
  const [a, b] = [machine.task(), machine.task()];
  const before = machine.census();
  const [first, second] = [a.allocateWithSend(), a.allocateWithSend()];
  const watches = [first, second].map((name) => give(a, name, MACH_MSG_TYPE_MAKE_SEND, b));
  const move = (name: number, to: number) =>
    a.send({ remote: to, remoteDisposition: MACH_MSG_TYPE_COPY_SEND, descriptors: [guardedPort(name)] });
  expectCode(move(first, second), MACH_MSG_SUCCESS);
  expect(b.type(watches[0] ?? 0)).toBe(MACH_PORT_TYPE_SEND);
  expectCode(move(second, first), MACH_MSG_SUCCESS);
  expect(watches.map((name) => b.type(name))).toEqual(watches.map(() => MACH_PORT_TYPE_DEAD_NAME));
  for (const name of watches) expectCode(b.deallocate(name), KERN_SUCCESS);
  for (const name of [first, second]) expectCode(a.deallocate(name), KERN_SUCCESS);
  expect(machine.census()).toEqual(before);
});

test("A163 a guarded port in a message that is never received dies with it", async () => {
  await using machine = await boot();
  const { a, b, inbox, outbox, carry } = line(machine);
  const before = machine.census();
  const ends = [
    () => expectCode(b.receive(inbox, { size: 44 }).code, MACH_RCV_TOO_LARGE),
    () => expectCode(b.destroy(inbox), KERN_SUCCESS),
  ];
  for (const end of ends) {
    const port = guarded(a, GUARD, MPO_STRICT);
    const watch = give(a, port, MACH_MSG_TYPE_MAKE_SEND, a);
    expect(watch).toBe(port);
    expectCode(carry(guardedPort(port, GUARD)), MACH_MSG_SUCCESS);
    expectCode(b.receive(inbox, { size: 8, option: MACH_RCV_LARGE }).code, MACH_RCV_TOO_LARGE);
    expect(a.type(port)).toBe(MACH_PORT_TYPE_SEND);
    end();
    expect(a.type(port)).toBe(MACH_PORT_TYPE_DEAD_NAME);
    expectCode(a.deallocate(port), KERN_SUCCESS);
  }
  expectCode(a.deallocate(outbox), KERN_SUCCESS);
  expect(machine.census()).toEqual({ ...before, ports: (before.ports ?? 0) - 1 });
});

test("A214 mach_msg_destroy unguards what it destroys, unless the descriptor says that it is not guarded", async () => {
  await using machine = await boot();
  const { a, b, inbox, carry } = line(machine);
  const before = machine.census();
  for (const flags of [IMMOVABLE, 0]) {
    const port = guarded(a, GUARD);
    expectCode(carry(guardedPort(port, GUARD, flags)), MACH_MSG_SUCCESS);
    const { code, buffer, message } = b.receive(inbox, { option });
    expectCode(code, MACH_MSG_SUCCESS);
    const { name } = only(message);
    b.traps.mach_msg_destroy(buffer);
    expect(b.has(name)).toBe(false);
  }
  // As it is to be sent: known by its guard.
  const port = guarded(a, GUARD);
  a.traps.mach_msg_destroy(build({ descriptors: [guardedPort(port, GUARD)] }));
  expect(a.has(port)).toBe(false);
  expect(machine.census()).toEqual(before);
});
