// The oracle's objects: Mach as plain objects and lists, slow and obvious, written from the assertions alone (A numbers
// in comments). Here: spaces, ports, rights and notifications. Rights in motion are in oracle-rights.ts, messages in
// oracle-send.ts and oracle-receive.ts, calls on names and ports in oracle-names.ts and oracle-ports.ts. Where the
// assertions leave a choice (which name, which waiter), the oracle follows what the kernel was seen to do and checks
// that it was allowed.

export const NULL = 0;
export const DEAD = 0xffffffff;
export const UREFS_MAX = 65535;

export const SEND = 17;
export const ONCE = 18;
export const RECEIVE = 16;
export const COPY_SEND = 19;
export const MAKE_SEND = 20;
export const MAKE_SEND_ONCE = 21;

export const PORT_DELETED = 65;
export const SEND_POSSIBLE = 66;
export const PORT_DESTROYED = 69;
export const NO_SENDERS = 70;
export const SEND_ONCE = 71;
export const DEAD_NAME = 72;

export const RCV_TOO_LARGE = 0x10004004;
export const RCV_PORT_CHANGED = 0x10004006;
export const RCV_PORT_DIED = 0x10004009;

/** Deliberate faults, each of which the simulator must notice. */
export type Mutation =
  | "make-send-uncounted"
  | "copy-send-moves"
  | "dead-name-without-reference"
  | "move-keeps-counts"
  | "queue-one-longer"
  | "array-stays"
  | "room-untold";

/** The kernel did something that the oracle does not allow. */
export class Mismatch extends Error {
  override name = "Mismatch";
}

/** A right in a message: of a living or dead port, or a plain value (0 or 0xffffffff). */
export interface Right {
  port: Port | null;
  value: number;
  /** 16, 17 or 18 as received; 0 for none. */
  type: number;
  /** Flags of the guarded descriptor that it came by. */
  guard?: number;
}

export const NOTHING: Right = { port: null, value: NULL, type: 0 };

export class Kmsg {
  dest: Right = NOTHING;
  reply: Right = NOTHING;
  descriptors: Right[] = [];
  /** By number of the descriptor: the array that it is, whose rights are among those of the descriptors. */
  readonly arrays = new Map<number, ArrayShape>();
  complex = false;
  id = 0;
  voucher = 0;
  size = 24;
  /** Bytes behind the descriptors. */
  data: Uint8Array = new Uint8Array(0);
  sender: readonly [number, number] = [0, 1];
  /** A notification, with this word. */
  kernel = false;
  value = 0;
  /** The operation that queued it. */
  batch = 0;
  /** Made in a cascade whose order is not laid down: no-senders and send-once stand for each other. */
  loose = false;
  circular = false;
}

/** An array of ports in a message. */
export interface ArrayShape {
  readonly count: number;
  readonly type: number;
}

export class Port {
  alive = true;
  receiver: Space | null = null;
  /** The queued or waiting message that holds the receive right (A166). */
  carrier: Kmsg | null = null;
  mscount = 0;
  seqno = 0;
  context = 0;
  guarded = false;
  strict = false;
  immovable = false;
  qlimit = 5;
  srights = 0;
  sorights = 0;
  readonly queue: Kmsg[] = [];
  readonly senders: Waiter[] = [];
  readonly receivers: Waiter[] = [];
  readonly sets = new Set<PortSet>();
  nsRequest: Port | null = null;
  pdRequest: Port | null = null;
  /** A thread's special reply port. */
  isSpecial = false;
}

export class PortSet {
  readonly members = new Set<Port>();
  readonly receivers: Waiter[] = [];
  /** When each member last became ready or was served by this set, for A179. */
  readonly readySince = new Map<Port, number>();
  readonly servedAt = new Map<Port, number>();
}

export class Entry {
  readonly name: number;
  port: Port | null = null;
  receive = false;
  sends = 0;
  once = false;
  set: PortSet | null = null;
  /** References of a dead name. */
  deads = 0;
  /** A dead name that was an unarmed send-once right: a send to it may still succeed (A86). */
  lazyOnce = false;
  /** Notify port of the dead-name or send-possible request. */
  request: Port | null = null;
  /** It is for send-possible; armed: room is told. */
  possible: "no" | "asked" | "armed" = "no";

  constructor(name: number) {
    this.name = name;
  }
}

export class Space {
  readonly entries = new Map<number, Entry>();
  readonly serial: number;
  /** Send rights that the task has without a name: its bootstrap port, then its registered ports. */
  readonly kept: Right[] = [NOTHING, NOTHING, NOTHING, NOTHING];
  /** Arrays of names in the task's memory: address -> names. */
  readonly arrays = new Map<number, readonly number[]>();
  alive = true;

  constructor(serial: number) {
    this.serial = serial;
  }
}

export interface Waiter {
  readonly id: number;
  readonly space: Space;
  readonly option: number;
  readonly rcvSize: number;
  /** What a sender waits with. */
  readonly kmsg: Kmsg | null;
}

/** What the kernel was seen to complete in this operation. */
export interface Seen {
  code: number;
  bytes: Uint8Array;
  size: number;
}

/** What the oracle expects a waiter to be completed with. */
export interface Completion {
  waiter: Waiter;
  code: number;
  /** Null: no bytes, or none that are laid down. */
  bytes: Uint8Array | null;
  size: number;
  /** Only these words of `bytes` are laid down; null: all. */
  words: readonly number[] | null;
  /** Another code that will do. */
  or?: number;
}

export class Oracle {
  readonly spaces: Space[] = [];
  readonly mutation: Mutation | null;
  /** The thread's special reply port. */
  special: Port | null = null;
  /** Number of the current operation. */
  now = 0;
  /** How deep in a cascade of destruction. */
  cascade = 0;
  seen = new Map<number, Seen>();
  completions: Completion[] = [];
  /** Set by the world: the names of an array that the kernel made in a task's memory; null: there is none. */
  readArray: (space: Space, address: number, count: number) => number[] | null = () => null;
  /** Ports that got messages while somebody may be waiting. */
  readonly unsettled = new Set<Port>();
  /** Set by oracle-receive.ts: hands queued messages to waiters, or only those that the kernel was seen to hand over. */
  settle: (port: Port, onlySeen: boolean) => void = () => {};

  constructor(mutation: Mutation | null = null) {
    this.mutation = mutation;
  }

  entryOf(space: Space, port: Port): Entry | null {
    for (const entry of space.entries.values()) if (entry.port === port && !entry.once) return entry;
    return null;
  }

  /** Takes the name that the kernel chose: it must be well formed and free (A1, A2, A4). */
  claim(space: Space, name: number): Entry {
    if ((name & 3) !== 3 || name >>> 8 === 0 || name === DEAD)
      throw new Mismatch(`malformed name 0x${name.toString(16)}`);
    if (space.entries.has(name)) throw new Mismatch(`name 0x${name.toString(16)} is in use`);
    const entry = new Entry(name);
    space.entries.set(name, entry);
    return entry;
  }

  /** The name goes away; an armed request is told so (A150). */
  remove(space: Space, entry: Entry): void {
    space.entries.delete(entry.name);
    const { request } = entry;
    entry.request = null;
    if (request !== null) this.notify(request, PORT_DELETED, entry.name);
  }

  complete(waiter: Waiter, code: number, or = code): void {
    this.completions.push({ waiter, code, bytes: null, size: 0, words: null, or });
  }

  /** Uses up the send-once right of a notify port (A135, A159, A161). */
  notify(port: Port, id: number, value: number, loose = this.cascade > 0): void {
    if (!port.alive || port.queue.length >= 65534) return;
    const kmsg = new Kmsg();
    kmsg.dest = { port, value: NULL, type: ONCE };
    kmsg.id = id;
    kmsg.value = value;
    kmsg.kernel = true;
    kmsg.size = id === SEND_ONCE ? 24 : 36;
    kmsg.loose = loose;
    this.enqueue(port, kmsg);
  }

  enqueue(port: Port, kmsg: Kmsg): void {
    kmsg.batch = this.now;
    if (port.queue.length === 0) for (const set of port.sets) set.readySince.set(port, this.now);
    port.queue.push(kmsg);
    this.unsettled.add(port);
  }

  /** Hands over what is queued; at the end of each phase of an operation, since the order within one is not laid down. */
  flush(): void {
    for (const port of this.unsettled) {
      this.unsettled.delete(port);
      this.settle(port, false);
    }
  }

  /** A88. */
  isFull(port: Port): boolean {
    return port.queue.length >= port.qlimit || port.senders.length > 0;
  }

  /** Tells who waits for room, if there is some (A151). */
  checkRoom(port: Port): void {
    if (this.isFull(port) || this.mutation === "room-untold") return;
    for (const space of this.spaces) {
      for (const entry of space.entries.values()) {
        if (entry.port !== port || entry.possible !== "armed" || entry.request === null) continue;
        this.notify(entry.request, SEND_POSSIBLE, entry.name);
        entry.request = null;
        entry.possible = "no";
      }
    }
  }

  /** One send right less (A32, A141). */
  releaseSend(port: Port): void {
    if (!port.alive) return;
    port.srights--;
    this.checkNoSenders(port);
  }

  checkNoSenders(port: Port): void {
    if (port.srights !== 0 || port.nsRequest === null) return;
    const notify = port.nsRequest;
    port.nsRequest = null;
    this.notify(notify, NO_SENDERS, port.mscount);
  }

  /** A right that a message or an entry held is destroyed (A157, A163). */
  release(right: Right): void {
    const { port } = right;
    if (port === null) return;
    if (right.type === SEND) this.releaseSend(port);
    if (right.type === ONCE && port.alive) this.notify(port, SEND_ONCE, 0, false);
    if (right.type === RECEIVE) {
      port.carrier = null;
      this.destroyReceive(port);
    }
  }

  destroyKmsg(kmsg: Kmsg): void {
    this.cascade++;
    for (const right of [kmsg.dest, kmsg.reply, ...kmsg.descriptors]) this.release(right);
    this.cascade--;
  }

  /** Whether `port` is `from` or holds it, at any depth, in its queue (A156, A170). */
  leadsTo(from: Port | null, port: Port): boolean {
    for (let at = from; at !== null; at = at.carrier?.dest.port ?? null) if (at === port) return true;
    return false;
  }

  leaveSets(port: Port): void {
    for (const set of port.sets) this.leaveSet(port, set);
  }

  leaveSet(port: Port, set: PortSet): void {
    set.members.delete(port);
    set.readySince.delete(port);
    set.servedAt.delete(port);
    port.sets.delete(set);
  }

  joinSet(port: Port, set: PortSet): void {
    set.members.add(port);
    port.sets.add(set);
    if (port.queue.length > 0) set.readySince.set(port, this.now);
    this.unsettled.add(port);
  }

  /** The receive right leaves its space alive (A56). If it was destroyed by its holder, receivers may be told so (A154). */
  clearReceiver(port: Port, destroyed = false): void {
    this.settle(port, true);
    if (this.mutation !== "move-keeps-counts") port.mscount = 0;
    port.seqno = 0;
    port.context = 0;
    port.guarded = port.strict = port.immovable = false;
    port.receiver = null;
    this.leaveSets(port);
    for (const waiter of port.receivers.splice(0))
      this.complete(waiter, RCV_PORT_CHANGED, destroyed ? RCV_PORT_DIED : RCV_PORT_CHANGED);
  }

  /** The holder destroys the receive right: the port dies, or travels in a notification (A154, A156). */
  destroyReceive(port: Port): void {
    const notify = port.pdRequest;
    port.pdRequest = null;
    if (notify === null || !notify.alive || this.leadsTo(notify, port)) {
      // The request's own send-once right is not used then.
      if (notify?.alive) this.notify(notify, SEND_ONCE, 0, false);
      this.kill(port);
      return;
    }
    this.clearReceiver(port, true);
    const kmsg = new Kmsg();
    kmsg.dest = { port: notify, value: NULL, type: ONCE };
    kmsg.id = PORT_DESTROYED;
    kmsg.kernel = true;
    kmsg.complex = true;
    kmsg.size = 40;
    kmsg.descriptors = [{ port, value: NULL, type: RECEIVE }];
    port.carrier = kmsg;
    this.enqueue(notify, kmsg);
  }

  /** A162, in its order. */
  kill(port: Port): void {
    this.settle(port, true);
    this.leaveSets(port);
    port.alive = false;
    port.receiver = null;
    for (const waiter of port.receivers.splice(0)) this.complete(waiter, RCV_PORT_DIED);
    for (const waiter of port.senders.splice(0)) {
      this.complete(waiter, 0);
      if (waiter.kmsg !== null) this.destroyKmsg(waiter.kmsg);
    }
    for (const kmsg of port.queue.splice(0)) this.destroyKmsg(kmsg);
    const { nsRequest } = port;
    port.nsRequest = null;
    if (nsRequest?.alive) this.notify(nsRequest, SEND_ONCE, 0);
    for (const space of this.spaces) {
      for (const entry of space.entries.values()) if (entry.port === port) this.bury(entry);
    }
  }

  /** The entry of a dead port becomes a dead name (A37, A39, A148). */
  bury(entry: Entry): void {
    const { request } = entry;
    entry.deads = entry.once ? 1 : entry.sends;
    entry.lazyOnce = entry.once && request === null;
    entry.port = null;
    entry.receive = false;
    entry.sends = 0;
    entry.once = false;
    entry.request = null;
    if (request === null) return;
    if (this.mutation !== "dead-name-without-reference") entry.deads = Math.min(UREFS_MAX, entry.deads + 1);
    this.notify(request, DEAD_NAME, entry.name);
  }

  /** A set ends; its members stay (A34, A180). */
  destroySet(set: PortSet): void {
    for (const port of [...set.members]) this.leaveSet(port, set);
    for (const waiter of set.receivers.splice(0)) this.complete(waiter, RCV_PORT_DIED);
  }

  /** One send reference less; the entry may go (A21, A30). */
  dropSend(space: Space, entry: Entry, count: number): void {
    const { port } = entry;
    entry.sends -= count;
    if (entry.sends > 0 || port === null) return;
    if (!entry.receive) {
      entry.port = null;
      this.remove(space, entry);
    }
    this.releaseSend(port);
  }

  /** Everything that the name denotes is dropped (A35, A36). */
  destroyEntry(space: Space, entry: Entry): void {
    const { port, set } = entry;
    this.remove(space, entry);
    if (set !== null) this.destroySet(set);
    if (port === null) return;
    entry.port = null;
    if (entry.once) this.notify(port, SEND_ONCE, 0, false);
    if (entry.sends > 0) this.releaseSend(port);
    if (entry.receive) this.destroyReceive(port);
  }

  /** A168; the order among the names of a space is not laid down. */
  terminate(space: Space): void {
    this.cascade++;
    space.alive = false;
    for (const entry of [...space.entries.values()]) this.destroyEntry(space, entry);
    for (const right of space.kept) this.release(right);
    this.spaces.splice(this.spaces.indexOf(space), 1);
    this.cascade--;
  }
}
