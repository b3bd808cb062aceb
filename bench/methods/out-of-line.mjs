// The package under test by its traps: a large payload as an out-of-line descriptor, in a call and its answer. A region goes there
// and back, a virtual copy goes there, or a new region does. Who reads or writes takes leases, piece by piece.
import { PAGE_BYTES } from "../lib/bulk.mjs";
import { exchange } from "../lib/exchange.mjs";
import {
  address,
  COPY_SEND,
  expectSuccess,
  HEADER,
  link,
  MACH_RCV_MSG,
  MACH_SEND_MSG,
  MAKE_SEND_ONCE,
  MOVE_SEND_ONCE,
  messages,
  WORD,
} from "../lib/mach-message.mjs";

const COMPLEX = 0x80000000;
const OOL = 1 << 24;
const MOVE = OOL | (1 << 8) | 1; // a virtual copy, and the sender's is deallocated
const COPY = OOL | (1 << 8);
const VM_FLAGS_ANYWHERE = 1;
const READ = 0;
const WRITE = 1;

// Words behind the header. A message without a descriptor has room for one too.
const COUNT = HEADER / 4;
const ADDRESS = COUNT + 1;
const SIZE = COUNT + 2;
const KIND = COUNT + 3;
const ANSWER = COUNT + 4;
const BODY_BYTES = 20;

const regions = new Map();

/** As many regions as the peers have buffers: one for each size, and for each part of one that is written afterwards. */
function ownOf(memory, { bytes, part = "" }) {
  const key = `${bytes} ${part}`;
  if (!regions.has(key)) regions.set(key, { number: 0, address: memory.allocate(bytes) });
  return regions.get(key);
}

/** This task's memory: its regions, and leases of them as pieces of words. */
class Memory {
  #task;
  #trap;
  #leases = [];
  #address = new Uint32Array(1);

  constructor(task, trap) {
    this.#task = task;
    this.#trap = trap;
  }

  allocate(bytes) {
    const self = this.#trap.mach_task_self();
    expectSuccess(this.#trap.vm_allocate(self, this.#address, bytes, VM_FLAGS_ANYWHERE), "vm_allocate");
    return this.#address[0];
  }

  deallocate(at, bytes) {
    expectSuccess(this.#trap.vm_deallocate(this.#trap.mach_task_self(), at, bytes), "vm_deallocate");
  }

  lease(at, bytes, kind) {
    const { processor, handle } = this.#task;
    const { core, outWords: out, kernelMemory } = processor;
    const pieces = [];
    for (let done = 0; done < bytes; ) {
      expectSuccess(core.vm_lease(handle, at + done, bytes - done, kind), "vm_lease");
      const [lease, linear, length] = out;
      this.#leases.push(lease);
      pieces.push(new Int32Array(kernelMemory.memory.buffer, linear, length / 4));
      done += length;
    }
    return pieces;
  }

  end() {
    const { processor } = this.#task;
    for (const lease of this.#leases) expectSuccess(processor.core.vm_lease_end(lease), "vm_lease_end");
    this.#leases.length = 0;
  }
}

/** One message buffer for sending and receiving, on the words of a header, a descriptor and an answer. */
class Line {
  #trap;
  #buffer;
  #reply;
  words;
  size;

  constructor(trap, role) {
    const { buffer, words, size } = messages(BODY_BYTES);
    this.#trap = trap;
    this.#buffer = buffer;
    this.words = words;
    this.size = size;
    this.#reply = role === "client" ? trap.mach_reply_port() : 0;
  }

  describe(at, bytes, kind) {
    this.words[COUNT] = 1;
    this.words[ADDRESS] = at;
    this.words[SIZE] = bytes;
    this.words[KIND] = kind;
  }

  call(remote, complex) {
    const bits = complex | COPY_SEND | (MAKE_SEND_ONCE << 8);
    address(this.words, 0, { bits, size: this.size, remote, local: this.#reply });
    const { length } = this.#buffer;
    const option = MACH_SEND_MSG | MACH_RCV_MSG;
    expectSuccess(this.#trap.mach_msg(this.#buffer, option, this.size, length, this.#reply, 0, 0), "mach_msg");
    return this.words[ANSWER] | 0;
  }

  receive(name) {
    const { length } = this.#buffer;
    expectSuccess(this.#trap.mach_msg(this.#buffer, MACH_RCV_MSG, 0, length, name, 0, 0), "mach_msg");
  }

  /** Whether what was received has a descriptor. */
  get complex() {
    return (this.words[WORD.bits] & COMPLEX) !== 0;
  }

  answer(value, complex) {
    address(this.words, 0, {
      bits: complex | MOVE_SEND_ONCE,
      size: this.size,
      remote: this.words[WORD.remote],
      local: 0,
    });
    this.words[ANSWER] = value;
    expectSuccess(this.#trap.mach_msg(this.#buffer, MACH_SEND_MSG, this.size, 0, 0, 0, 0), "mach_msg");
  }
}

function clientSide({ memory, line, name, bytes, own, kind, after }) {
  return {
    own,
    write: (first, pages) => memory.lease(own.address + first * PAGE_BYTES, pages * PAGE_BYTES, WRITE),
    written: () => memory.end(),
    call() {
      line.describe(own.address, bytes, kind);
      const answer = line.call(name, COMPLEX);
      after?.(own);
      return answer;
    },
    again: () => line.call(name, 0),
  };
}

function serverSide({ memory, line, name, bytes, back }) {
  let held = 0;
  return {
    take() {
      line.receive(name);
      if (line.complex) held = line.words[ADDRESS];
    },
    hold: () => line.answer(0, 0),
    pieces: () => memory.lease(held, bytes, READ),
    read: () => memory.end(),
    answer(value) {
      if (!back) memory.deallocate(held, bytes);
      else line.describe(held, bytes, MOVE);
      line.answer(value, back ? COMPLEX : 0);
    },
  };
}

const method =
  ({ kind, back, client = () => ({}) }) =>
  async (context) => {
    const { role, task, bytes } = context;
    const { name, trap, close } = await link(context);
    const memory = new Memory(task, trap);
    const parts = { memory, line: new Line(trap, role), name, bytes, kind, back };
    const side = role === "client" ? clientSide({ ...parts, ...client(parts, context) }) : serverSide(parts);
    return { run: exchange(side, context), close };
  };

/** One region goes there and back. */
export const moved = method({
  kind: MOVE,
  back: true,
  client: ({ memory, line }, context) => ({
    own: ownOf(memory, context),
    after: (own) => {
      own.address = line.words[ADDRESS];
    },
  }),
});

/** The sender keeps its own; the receiver drops what it got. */
export const copied = method({
  kind: COPY,
  client: ({ memory }, context) => ({ own: ownOf(memory, context) }),
});

/** A new region for each exchange, which the receiver drops. */
export const fresh = method({
  kind: MOVE,
  client({ memory, bytes }) {
    let at = 0;
    const own = {
      get address() {
        if (at === 0) at = memory.allocate(bytes);
        return at;
      },
    };
    const after = () => {
      at = 0;
    };
    return { own, after };
  },
});
