// Servers that answer calls: blocking, awaiting, by an interface, by traps. Each checks that a client's calls come in
// order and once.

import { MACH_MSG_TYPE_MOVE_SEND_ONCE, MACH_RCV_MSG, MACH_SEND_MSG, MACH_SEND_TIMEOUT, traps } from "mach-ipc/traps";
import { Oracle } from "../interface.mjs";
import { answerTo, ID, migName, rpcName, words, wordOf } from "../protocol.mjs";

/** Tells whether calls of each client come in order. */
function order(life) {
  const last = new Map();
  return (client, n) => {
    const before = last.get(client) ?? 0;
    if (n <= before) life.alarm(`call ${n} of client ${client} came after ${before}`);
    last.set(client, n);
  };
}

function answer(life, message, check) {
  const client = wordOf(message, 0);
  const n = wordOf(message, 1);
  check(client, n);
  try {
    message.respond({ body: words(client, n, answerTo(wordOf(message, 2))) });
  } catch (error) {
    if (error.code !== "MACH_SEND_INVALID_DEST") life.alarm(`respond: ${error.stack}`);
  }
  message[Symbol.dispose]();
}

export async function blockingServer(life, joined) {
  joined[Symbol.dispose]();
  const receive = await life.task.bootstrap.checkIn(rpcName(life.slot));
  const check = order(life);
  life.ready();
  while (true) {
    answer(life, receive.receiveSync(), check);
    life.step();
  }
}

export async function awaitingServer(life, joined) {
  joined[Symbol.dispose]();
  const receive = await life.task.bootstrap.checkIn(rpcName(life.slot));
  const check = order(life);
  life.ready();
  for await (const message of receive) {
    answer(life, message, check);
    life.step();
  }
}

export async function oracle(life, joined) {
  joined[Symbol.dispose]();
  const check = order(life);
  await life.task.bootstrap.serve(Oracle, migName(life.slot), {
    ask: ({ client, n, nonce }) => {
      check(client, n);
      return { client, n, answer: answerTo(nonce) };
    },
    echo: ({ right }) => ({ right }),
  });
  life.ready();
  setInterval(() => life.step(), 1);
}

export async function trapServer(life, joined) {
  joined[Symbol.dispose]();
  const receive = await life.task.bootstrap.checkIn(rpcName(life.slot));
  const check = order(life);
  const { name } = receive;
  const buffer = new Uint8Array(24 + 12 + 8);
  const header = new Int32Array(buffer.buffer);
  const mach = traps(life.task);
  life.ready();
  let kr = mach.mach_msg(buffer, MACH_RCV_MSG, 0, buffer.length, name, 0, 0);
  while (true) {
    if (kr !== 0) throw new Error(`mach_msg answers 0x${kr.toString(16)}`);
    check(header[6], header[7]);
    if (header[5] !== ID.CALL) life.alarm(`a message ${header[5]} came`);
    header[0] = MACH_MSG_TYPE_MOVE_SEND_ONCE;
    header[1] = 36;
    header[3] = 0;
    header[8] = answerTo(header[8]);
    life.step();
    kr = mach.mach_msg(buffer, MACH_SEND_MSG | MACH_SEND_TIMEOUT | MACH_RCV_MSG, 36, buffer.length, name, 0, 0);
    if ((kr & 0x10004000) === 0x10000000 && kr !== 0) {
      // The client is dead, and its right is ours again.
      mach.mach_port_deallocate(mach.mach_task_self(), header[2] >>> 0);
      kr = mach.mach_msg(buffer, MACH_RCV_MSG, 0, buffer.length, name, 0, 0);
    }
  }
}
