// Senders of numbered messages, to a port that is read and to one whose queue is nearly always full. Each send that
// returned is noted after it: what has arrived in the end is that number, or more by what was under way at the death.

import { MACH_MSG_TYPE_COPY_SEND, MACH_SEND_MSG, traps } from "mach-ipc/traps";
import { ID, NOTE, words } from "../protocol.mjs";

export async function sender(life, joined) {
  const { task, ledger, incarnation, random } = life;
  const [collector, , slow] = joined.rights;
  const buffer = new Uint8Array(32);
  const header = new Int32Array(buffer.buffer);
  const mach = traps(task);
  let sent = 0;
  let slowly = 0;
  life.ready();
  while (true) {
    life.step();
    const kind = random();
    if (kind < 0.3) {
      collector.sendSync({ id: ID.NUMBERED, body: words(incarnation, sent++) });
    } else if (kind < 0.5) {
      await collector.send({ id: ID.NUMBERED, body: words(incarnation, sent++) });
    } else if (kind < 0.8) {
      header.set([MACH_MSG_TYPE_COPY_SEND, 32, collector.name, 0, 0, ID.NUMBERED, incarnation, sent++]);
      const kr = mach.mach_msg(buffer, MACH_SEND_MSG, 32, 0, 0, 0, 0);
      if (kr !== 0) life.alarm(`mach_msg answers 0x${kr.toString(16)}`);
    } else {
      slow.sendSync({ id: ID.NUMBERED, body: words(incarnation, slowly++) });
      ledger.set(incarnation, NOTE.SLOW, slowly);
    }
    ledger.set(incarnation, NOTE.SENT, sent);
  }
}
