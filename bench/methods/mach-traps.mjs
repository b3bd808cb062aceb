// The package under test by its traps (level 1): Mach's messages in a caller's buffer, one mach_msg for
// each send, receive, or both. Rights are found by the naming service, then used by their names.
import { machTraps } from "../lib/kernel.mjs";
import {
  address,
  COPY_SEND,
  expectSuccess,
  HEADER,
  link,
  MACH_RCV_MSG,
  MACH_RCV_TIMED_OUT,
  MACH_SEND_MSG,
  MAKE_SEND_ONCE,
  MOVE_SEND_ONCE,
  messages,
  ownPort,
  WORD,
} from "../lib/mach-message.mjs";

const both = MACH_SEND_MSG | MACH_RCV_MSG;
const isClient = ({ role }) => role === "client";

/** A call is one trap, an answer and the wait for the next call another. */
export async function blockingTraps(context) {
  const { name, trap, close } = await link(context);
  const run = isClient(context) ? caller(context, trap, name) : answerer(context, trap, name);
  return { run, close };
}

function caller({ bytes }, trap, remote) {
  const { buffer, words, size } = messages(bytes);
  const local = trap.mach_reply_port();
  const header = { bits: COPY_SEND | (MAKE_SEND_ONCE << 8), size, remote, local };
  const { length } = buffer;
  return (count, probe) => {
    for (let i = 0; i < count; i++) {
      address(words, 0, header);
      probe.fill(buffer, HEADER, bytes, i);
      expectSuccess(trap.mach_msg(buffer, both, size, length, local, 0, 0), "mach_msg");
      probe.check(buffer, HEADER, bytes, i);
    }
  };
}

function answerer({ bytes }, trap, name) {
  const { buffer, words, size } = messages(bytes);
  const header = { bits: MOVE_SEND_ONCE, size, remote: 0, local: 0 };
  const { length } = buffer;
  const turnRound = () => {
    header.remote = words[WORD.remote];
    address(words, 0, header);
  };
  return (count) => {
    expectSuccess(trap.mach_msg(buffer, MACH_RCV_MSG, 0, length, name, 0, 0), "mach_msg");
    for (let i = 1; i < count; i++) {
      turnRound();
      expectSuccess(trap.mach_msg(buffer, both, size, length, name, 0, 0), "mach_msg");
    }
    turnRound();
    expectSuccess(trap.mach_msg(buffer, MACH_SEND_MSG, size, 0, 0, 0, 0), "mach_msg");
  };
}

/** One trap for each send, one for each receive. */
export async function oneWay(context) {
  const { name, trap, close } = await link(context);
  const { bytes } = context;
  const { buffer, words, size } = messages(bytes);
  const { length } = buffer;
  const header = { bits: COPY_SEND, size, remote: name, local: 0 };
  const send = (count, probe) => {
    for (let i = 0; i < count; i++) {
      address(words, 0, header);
      probe.fill(buffer, HEADER, bytes, i);
      expectSuccess(trap.mach_msg(buffer, MACH_SEND_MSG, size, 0, 0, 0, 0), "mach_msg");
    }
  };
  const receive = (count, probe) => {
    for (let i = 0; i < count; i++) {
      expectSuccess(trap.mach_msg(buffer, MACH_RCV_MSG, 0, length, name, 0, 0), "mach_msg");
      probe.check(buffer, HEADER, bytes, i);
    }
  };
  return { run: isClient(context) ? send : receive, close };
}

/** `batch` messages in one trap; the receiver sleeps for one when none is there. */
export async function batches(context) {
  const { name, trap, close } = await link(context);
  const made = messages(context.bytes, context.batch);
  const run = isClient(context) ? batchSender(context, made, trap, name) : batchReceiver(context, made, trap, name);
  return { run, close };
}

function batchSender({ bytes, batch }, { buffer, words, size, slot }, trap, remote) {
  const header = { bits: COPY_SEND, size, remote, local: 0 };
  const sent = new Uint32Array(1);
  return (count, probe) => {
    for (let i = 0; i < count; i += batch) {
      for (let k = 0; k < batch; k++) {
        address(words, (k * slot) >>> 2, header);
        probe.fill(buffer, k * slot + HEADER, bytes, i + k);
      }
      const code = trap.mach_msg_send_many(buffer, MACH_SEND_MSG, batch, slot, 0, sent);
      expectSuccess(code, "mach_msg_send_many");
    }
  };
}

function batchReceiver({ bytes }, { buffer, slot }, trap, name) {
  const first = buffer.subarray(0, slot);
  const received = new Uint32Array(1);
  return (count, probe) => {
    for (let i = 0; i < count; ) {
      const code = trap.mach_msg_receive_many(buffer, MACH_RCV_MSG, slot, name, received);
      if (code === MACH_RCV_TIMED_OUT) {
        expectSuccess(trap.mach_msg(first, MACH_RCV_MSG, 0, slot, name, 0, 0), "mach_msg");
        received[0] = 1;
      } else expectSuccess(code, "mach_msg_receive_many");
      for (let k = 0; k < received[0]; k++) {
        probe.check(buffer, k * slot + HEADER, bytes, i++);
      }
    }
  };
}

/** A thread's messages to its own port, sent and received by two traps or by one. */
export async function toItself({ task, bytes, traps: perMessage }) {
  const { traps } = await machTraps();
  const trap = traps(task);
  const name = ownPort(trap);
  const { buffer, words, size } = messages(bytes);
  const { length } = buffer;
  const header = { bits: COPY_SEND, size, remote: name, local: 0 };
  const byTwo = () => {
    expectSuccess(trap.mach_msg(buffer, MACH_SEND_MSG, size, 0, 0, 0, 0), "mach_msg");
    return trap.mach_msg(buffer, MACH_RCV_MSG, 0, length, name, 0, 0);
  };
  const byOne = () => trap.mach_msg(buffer, both, size, length, name, 0, 0);
  const pass = perMessage === 1 ? byOne : byTwo;
  const run = (count, probe) => {
    for (let i = 0; i < count; i++) {
      address(words, 0, header);
      probe.fill(buffer, HEADER, bytes, i);
      expectSuccess(pass(), "mach_msg");
      probe.check(buffer, HEADER, bytes, i);
    }
  };
  return { run };
}
