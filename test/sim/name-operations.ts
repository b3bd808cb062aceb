// Random calls on names: each on the kernel, then on the oracle.

import { peek as look } from "../lib/calls.js";
import * as names from "../lib/oracle-names.js";
import * as ports from "../lib/oracle-ports.js";
import { fits } from "../lib/oracle-rights.js";
import {
  DEAD,
  DEAD_NAME,
  type Entry,
  NO_SENDERS,
  type Port,
  PORT_DESTROYED,
  SEND_POSSIBLE,
  UREFS_MAX,
} from "../lib/oracle-state.js";
import {
  chooseName,
  compare,
  DISPOSITIONS,
  expectSame,
  isFull,
  isPort,
  isReceive,
  isSet,
  type Operation,
  pickDisposition,
  pickName,
  remember,
} from "./choices.js";
import { type Actor, hex, type World } from "./world.js";

const out = new Uint32Array(16);

export const allocate: Operation = (world, random, actor) => {
  const right = random.weighted([
    [10, 1],
    [3, 3],
    [2, 4],
    [1, 0],
    [1, 5],
    [1, 77],
  ] as const);
  const code = actor.traps.mach_port_allocate(actor.self, right, out);
  const name = out[0] ?? 0;
  compare(world, `allocate(${right}) = ${hex(name)}`, code, () =>
    names.allocate(world.oracle, actor.space, right, name),
  );
  if (code === 0) remember(actor, name);
};

export const allocateName: Operation = (world, random, actor) => {
  const right = random.pick([1, 3, 4, 4, 0, 6]);
  const fresh = chooseName(random, actor, random.below(64));
  const name = random.pick([fresh, fresh, fresh, pickName(random, actor), 0, DEAD, 0x100, 3]);
  const code = actor.traps.mach_port_allocate_name(actor.self, right, name);
  compare(world, `allocate_name(${right}, ${hex(name)})`, code, () =>
    names.allocateName(world.oracle, actor.space, right, name),
  );
  if (code === 0) remember(actor, name);
};

export const specialReplyPort: Operation = (world, _random, actor) => {
  const name = actor.traps.thread_get_special_reply_port();
  compare(world, `special_reply_port() = ${hex(name)}`, 0, () =>
    names.specialReplyPort(world.oracle, actor.space, name),
  );
};

export const replyPort: Operation = (world, _random, actor) => {
  const name = actor.traps.mach_reply_port();
  compare(world, `reply_port() = ${hex(name)}`, 0, () => names.allocate(world.oracle, actor.space, 1, name));
};

export const insertRight: Operation = (world, random, actor) => {
  const { by } = actor;
  const poly = pickName(random, by, isPort);
  const disposition = pickDisposition(random, by, poly);
  const entry = by.space.entries.get(poly);
  const good = entry !== undefined && fits(entry, disposition);
  const free = chooseName(random, actor);
  const other = [free, pickName(random, actor), 0, 0x100];
  const same = by.space === actor.space ? poly : (nameOf(world, actor, entry) ?? free);
  const name = good ? random.pick([same, same, same, ...other]) : same;
  const code = actor.traps.mach_port_insert_right(actor.self, name, poly, disposition);
  compare(world, `insert_right(${hex(name)}, ${hex(poly)}, ${disposition})`, code, () =>
    names.insertRight(world.oracle, actor.space, name, poly, disposition, by.space),
  );
  if (code === 0) remember(actor, name);
};

/** The task's name for the port that another's entry is of. */
function nameOf(world: World, actor: Actor, entry: Entry | undefined): number | undefined {
  return entry?.port ? world.oracle.entryOf(actor.space, entry.port)?.name : undefined;
}

export const extractRight: Operation = (world, random, actor) => {
  const name = pickName(random, actor, isPort);
  const disposition = pickDisposition(random, actor, name);
  const type = new Uint32Array(1);
  const code = actor.traps.mach_port_extract_right(actor.self, name, disposition, out, type);
  const chosen = out[0] ?? 0;
  let wanted = { name: 0, type: 0 };
  compare(world, `extract_right(${hex(name)}, ${disposition}) = ${hex(chosen)}`, code, () => {
    const taken = names.extractRight(world.oracle, actor.space, { name, disposition, chosen }, actor.by.space);
    wanted = taken;
    return taken.codes;
  });
  if (code !== 0) return;
  expectSame("the name extracted", chosen, wanted.name);
  expectSame("its type", type[0], wanted.type);
  remember(actor.by, chosen);
};

export const rename: Operation = (world, random, actor) => {
  const name = random.chance(90) ? pickName(random, actor) : random.pick([0, DEAD]);
  const free = chooseName(random, actor);
  const to = random.pick([free, free, free, free, name, pickName(random, actor), 0, DEAD, 0x100, 3]);
  // The task's own port is what the calls go to. Who waits on a set asks for it again by the name that it had (CAVEATS).
  const waits = (actor.space.entries.get(name)?.set?.receivers.length ?? 0) > 0;
  if (name === actor.self || waits) return allocate(world, random, actor);
  const code = actor.traps.mach_port_rename(actor.self, name, to);
  compare(world, `rename(${hex(name)}, ${hex(to)})`, code, () => names.rename(actor.space, name, to));
  if (code === 0) remember(actor, name);
};

export const deallocate: Operation = (world, random, actor) => {
  const name = pickName(random, actor, (entry) => !entry.receive || entry.sends > 0);
  const code = actor.traps.mach_port_deallocate(actor.self, name);
  compare(world, `deallocate(${hex(name)})`, code, () => names.deallocate(world.oracle, actor.space, name));
};

export const destroy: Operation = (world, random, actor) => {
  const name = pickName(random, actor);
  const code = actor.traps.mach_port_destroy(actor.self, name);
  compare(world, `destroy(${hex(name)})`, code, () => names.destroy(world.oracle, actor.space, name));
};

export const modRefs: Operation = (world, random, actor) => {
  const name = pickName(random, actor);
  const entry = actor.space.entries.get(name);
  const held = entry ? [0, 1, 2, 3, 4].filter((right) => names.refsOf(entry, right) > 0) : [];
  const right = held.length > 0 && random.chance(70) ? random.pick(held) : random.pick([0, 1, 2, 3, 4, 6]);
  const refs = entry && right < 5 ? names.refsOf(entry, right) : 0;
  const delta = random.pick([1, 1, 2, -1, -1, -2, 0, -refs, UREFS_MAX, -UREFS_MAX, 3 - refs]);
  const code = actor.traps.mach_port_mod_refs(actor.self, name, right, delta);
  compare(world, `mod_refs(${hex(name)}, ${right}, ${delta})`, code, () =>
    names.modRefs(world.oracle, actor.space, name, right, delta),
  );
};

export const getRefs: Operation = (world, random, actor) => {
  const [name, right] = [pickName(random, actor), random.pick([0, 1, 2, 3, 4, 6])];
  const code = actor.traps.mach_port_get_refs(actor.self, name, right, out);
  const refs = out[0];
  const wanted = names.getRefs(actor.space, name, right);
  compare(world, `get_refs(${hex(name)}, ${right}) = ${refs}`, code, () => wanted.codes);
  if (code === 0) expectSame("references", refs, wanted.refs);
};

export const getType: Operation = (world, random, actor) => {
  const name = pickName(random, actor);
  const code = actor.traps.mach_port_type(actor.self, name, out);
  const entry = actor.space.entries.get(name);
  const known = entry !== undefined || name === DEAD;
  compare(world, `type(${hex(name)})`, code, () => (known ? [0] : [15]));
  if (code === 0) expectSame("type", out[0], entry ? names.typeOf(entry) : 0x100000);
};

export const request: Operation = (world, random, actor) => {
  const msgid = random.weighted([
    [6, DEAD_NAME],
    [6, SEND_POSSIBLE],
    [4, NO_SENDERS],
    [3, PORT_DESTROYED],
    [1, 71],
    [1, 0],
  ] as const);
  const isNamed = msgid === DEAD_NAME ? (entry: Entry) => !entry.set : isReceive;
  const name = pickName(random, actor, msgid === SEND_POSSIBLE ? isFull : isNamed, 85);
  const { entries } = actor.by.space;
  const onces = [...entries.values()].filter(({ once, name: own }) => once && own !== name);
  const receives = [...entries.values()].filter(isReceive);
  let [notify, disposition] = [0, 21];
  if (onces.length > 0 && random.chance(25)) [notify, disposition] = [random.pick(onces).name, 18];
  else if (receives.length > 0 && random.chance(85)) notify = random.pick(receives).name;
  else notify = random.pick([0, 0, DEAD]);
  const port = entries.get(notify)?.port ?? null;
  // Two rights that travel to one port in one operation could not be told apart.
  if (msgid === PORT_DESTROYED && port !== null && isBackup(world, port)) notify = 0;
  const sync = random.pick([0, 0, 0, 1, 1, 2, 5]);
  const code = actor.traps.mach_port_request_notification(actor.self, name, msgid, sync, notify, disposition, out);
  const previous = out[0] ?? 0;
  const ask = { name, msgid, sync, notify, disposition, previous };
  const wanted = { previous: 0 };
  compare(world, `request(${JSON.stringify(ask)})`, code, () => {
    const result = ports.request(world.oracle, actor.space, ask, actor.by.space);
    wanted.previous = result.previous;
    return result.codes;
  });
  if (code === 0) expectSame("previous", previous, wanted.previous);
};

function isBackup(world: World, notify: object): boolean {
  for (const port of livePorts(world)) if (port.pdRequest === notify) return true;
  return false;
}

function* livePorts(world: World) {
  for (const space of world.oracle.spaces) for (const { port } of space.entries.values()) if (port) yield* within(port);
}

/** The port and the ports whose receive rights are in its queue, at any depth. */
function* within(port: Port): Generator<Port> {
  yield port;
  const kmsgs = [...port.queue, ...port.senders.flatMap(({ kmsg }) => kmsg ?? [])];
  for (const kmsg of kmsgs) {
    for (const right of kmsg.descriptors) if (right.type === 16 && right.port !== null) yield* within(right.port);
  }
}

export const setAttribute: Operation = (world, random, actor) => {
  const name = pickName(random, actor, isReceive);
  const which = random.pick([0, 0, 0, 1, 2, 3]);
  const { oracle } = world;
  const { traps, self, space } = actor;
  if (which === 0) {
    const isThere = space.entries.get(name)?.receive === true;
    const qlimit = random.pick(isThere ? [0, 1, 1, 1, 2, 2, 3, 5, 1024, 1025] : [1, 2]);
    const code = traps.mach_port_set_attributes(self, name, 1, new Uint32Array([qlimit]), 1);
    compare(world, `set_qlimit(${hex(name)}, ${qlimit})`, code, () => ports.setQlimit(oracle, space, name, qlimit));
    return;
  }
  const value = random.chance(20) ? random.word() : random.below(4);
  if (which === 1) {
    const code = traps.mach_port_set_seqno(self, name, value);
    compare(world, `set_seqno(${hex(name)}, ${value})`, code, () => ports.setSeqno(space, name, value));
  } else if (which === 2) {
    const code = traps.mach_port_set_mscount(self, name, value);
    compare(world, `set_mscount(${hex(name)}, ${value})`, code, () => ports.setMscount(space, name, value));
  } else {
    const code = traps.mach_port_set_context(self, name, value);
    compare(world, `set_context(${hex(name)}, ${value})`, code, () => ports.setContext(space, name, value));
  }
};

export const getStatus: Operation = (world, random, actor) => {
  const name = pickName(random, actor, isReceive);
  const code = actor.traps.mach_port_get_attributes(actor.self, name, 2, out, new Uint32Array([10]));
  const { codes, status } = ports.receiveStatus(actor.space, name);
  compare(world, `receive_status(${hex(name)})`, code, () => codes);
  if (status === null) return;
  for (const [index, [field, value]] of Object.entries(status).entries()) expectSame(field, out[index], value);
};

export const getSrights: Operation = (world, random, actor) => {
  const name = pickName(random, actor, isReceive, 90);
  const code = actor.traps.mach_port_get_srights(actor.self, name, out);
  const count = out[0];
  const wanted = ports.srights(actor.space, name);
  compare(world, `get_srights(${hex(name)}) = ${count}`, code, () => wanted.codes);
  if (code === 0) expectSame("send rights", count, wanted.srights);
};

export const getInfo: Operation = (world, random, actor) => {
  const { traps, self, space } = actor;
  const [first, second] = [new Uint32Array(1), new Uint32Array(1)];
  if (random.chance(50)) {
    const name = pickName(random, actor);
    const code = traps.mach_port_kobject(self, name, first, second);
    return compare(world, `kobject(${hex(name)})`, code, () => ports.kobject(space, name));
  }
  const name = pickName(random, actor, isReceive, 90);
  const code = traps.mach_port_dnrequest_info(self, name, first, second);
  const wanted = ports.requestCount(world.oracle, space, name);
  compare(world, `dnrequest_info(${hex(name)}) = ${second[0]}`, code, () => wanted.codes);
  if (code === 0) expectSame("requests", second[0], wanted.count);
};

export const peek: Operation = (world, random, actor) => {
  const hasMessage = (entry: Entry) => entry.receive && (entry.port?.queue.length ?? 0) > 0;
  const name = pickName(random, actor, random.chance(70) ? hasMessage : isReceive, 90);
  const port = actor.space.entries.get(name)?.port ?? null;
  const asked = random.pick([0, 0, port?.seqno ?? 0, (port?.seqno ?? 0) + random.below(4)]) >>> 0;
  const got = look(actor, name, asked);
  const wanted = ports.peek(actor.space, name, asked);
  compare(world, `peek(${hex(name)}, ${asked}) = ${got.id}`, got.code, () => wanted.codes);
  if (got.code !== 0 || wanted.kmsg === null) return;
  expectSame("number", got.seqno, wanted.seqno);
  // The order of what one operation queued is not laid down.
  if (port?.queue.some((kmsg) => kmsg !== wanted.kmsg && kmsg.batch === wanted.kmsg?.batch)) return;
  if (wanted.kmsg.loose) return;
  expectSame("bytes", got.size, wanted.kmsg.size);
  expectSame("identifier", got.id, wanted.kmsg.id >>> 0);
};

export const member: Operation = (world, random, actor) => {
  const [name, pset] = [pickName(random, actor, isReceive, 90), pickName(random, actor, isSet, 90)];
  const { traps, self, space } = actor;
  const { oracle } = world;
  switch (random.below(5)) {
    case 0:
    case 1: {
      const code = traps.mach_port_insert_member(self, name, pset);
      const call = `insert_member(${hex(name)}, ${hex(pset)})`;
      return compare(world, call, code, () => ports.insertMember(oracle, space, name, pset));
    }
    case 2: {
      const code = traps.mach_port_extract_member(self, name, pset);
      const call = `extract_member(${hex(name)}, ${hex(pset)})`;
      return compare(world, call, code, () => ports.extractMember(oracle, space, name, pset));
    }
    case 3: {
      const after = random.chance(30) ? 0 : pset;
      const code = traps.mach_port_move_member(self, name, after);
      const call = `move_member(${hex(name)}, ${hex(after)})`;
      return compare(world, call, code, () => ports.moveMember(oracle, space, name, after));
    }
    default: {
      const members = { value: new Uint32Array(0) };
      const code = traps.mach_port_get_set_status(self, pset, members);
      const wanted = ports.setStatus(oracle, space, pset);
      compare(world, `get_set_status(${hex(pset)})`, code, () => wanted.codes);
      if (code === 0) expectSame("members", [...members.value].sort((a, b) => a - b).join(), wanted.members.join());
    }
  }
};

export const give: Operation = (world, random, actor) => {
  const entries = [...actor.space.entries.values()].filter(isPort);
  const to = random.pick(world.actors);
  if (entries.length === 0 || to === actor) return allocate(world, random, actor);
  const { name } = random.pick(entries);
  const good = DISPOSITIONS.filter((disposition) => fits(entryNamed(actor, name), disposition));
  const disposition = random.pick(good);
  const { processor, handle } = actor.inner;
  const code = processor.core.task_insert_right(handle, name, disposition, to.inner.handle);
  const chosen = processor.out(0);
  let wanted = 0;
  compare(world, `give(${hex(name)}, ${disposition}) = ${hex(chosen)}`, code, () => {
    const given = ports.give(world.oracle, actor.space, { name, disposition, to: to.space, chosen });
    wanted = given.name;
    return given.codes;
  });
  expectSame("the name given", chosen, wanted);
  remember(to, chosen);
};

function entryNamed(actor: Actor, name: number): Entry {
  const entry = actor.space.entries.get(name);
  if (!entry) throw new Error("the entry was there just now");
  return entry;
}
