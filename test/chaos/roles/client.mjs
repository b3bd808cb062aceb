// A client that will be killed with a call in flight.

import { Caller } from "../caller.mjs";
import { Oracle } from "../interface.mjs";
import { migName, rpcName } from "../protocol.mjs";

const SLOTS = 8;
const CALLS = 20;

export async function client(life, joined) {
  const { task, random } = life;
  const [, echo] = joined.rights;
  const caller = new Caller(life.incarnation, life.alarm);
  const own = task.allocatePort();
  const gift = own.makeSend();
  const reply = task.allocatePort();
  life.ready();
  while (true) {
    const kind = Math.floor(random() * 5);
    const slot = Math.floor(random() * SLOTS);
    let found = null;
    try {
      if (kind === 1) found = await task.bootstrap.lookUp(rpcName(slot), { timeout: 20 });
      if (kind === 2) found = await task.bootstrap.lookUp(Oracle, migName(slot), { timeout: 20 });
    } catch (error) {
      if (error.code !== "MACH_RCV_TIMED_OUT") life.alarm(`lookUp: ${error.stack}`);
      continue;
    }
    for (let i = 0; i < CALLS; i++) {
      life.step();
      if (kind === 0) await caller.call(echo);
      else if (kind === 1 && !(random() < 0.5 ? caller.callSync(found) : await caller.call(found))) break;
      else if (kind === 2 && !(random() < 0.5 ? caller.askSync(found) : await caller.echo(found, gift))) break;
      else if (kind === 3) caller.trap(task, echo.name, reply.name);
      else if (kind === 4) caller.callSync(echo);
    }
    found?.[Symbol.dispose]();
  }
}
