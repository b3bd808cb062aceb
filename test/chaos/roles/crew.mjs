// Several threads in one task, which outlives them: they share a space, so that one that dies holding its lock is in the
// way of the others.

import { Caller } from "../caller.mjs";
import { ReceiveRight } from "../../../dist/receive-right.js";
import { SendRight } from "../../../dist/right.js";
import { Space } from "../../../dist/space.js";
import { Task } from "../../../dist/task.js";
import { ID, NOTE, SINKS, words, wordOf } from "../protocol.mjs";

export async function crew(life, joined) {
  joined[Symbol.dispose]();
  const { incarnation, ledger, random } = life;
  const { processor } = life.task;
  const { handle, port, echo, collector } = life.crew;
  if (processor.core.task_attach(handle) !== 0) throw new Error("no such task");
  const task = new Task({ name: "crew", processor, handle });
  const space = Space.of(task);
  const receive = new ReceiveRight(space, port);
  const caller = new Caller(incarnation, life.alarm);
  const calls = new SendRight(space, echo);
  const sends = new SendRight(space, collector);
  let sent = 0;
  life.ready();
  while (true) {
    life.step();
    const kind = random();
    if (kind < 0.4) {
      let message;
      try {
        message = receive.receiveSync({ timeout: 3 });
      } catch (error) {
        if (error.code !== "MACH_RCV_TIMED_OUT") throw error;
        continue;
      }
      const n = wordOf(message, 0);
      const before = ledger.saw(SINKS, n, incarnation);
      if (before !== 0) life.alarm(`message ${n} of the crew was seen by ${before}`);
      message[Symbol.dispose]();
      ledger.add(incarnation, NOTE.SEEN);
    } else if (kind < 0.6) {
      const own = task.allocatePort();
      own.makeSend()[Symbol.dispose]();
      own[Symbol.dispose]();
    } else if (kind < 0.8) {
      caller.callSync(calls);
    } else {
      sends.sendSync({ id: ID.NUMBERED, body: words(incarnation, sent++) });
      ledger.set(incarnation, NOTE.SENT, sent);
    }
  }
}
