// A relay: batons come in, with a receive right, a send right and the way to go, and are handed on.

import { move } from "mach-ipc";
import { DEATH, ID } from "../protocol.mjs";

export async function relay(life, joined) {
  const { task, incarnation } = life;
  const [collector] = joined.rights;
  const port = task.allocatePort({ qlimit: 8 });
  const right = port.makeSend();
  const body = new Uint8Array(new Int32Array([incarnation]).buffer);
  collector.sendSync({ id: ID.REGISTER, body, rights: [move(right)] });
  life.ready();
  while (true) {
    const message = life.random() < 0.5 ? port.receiveSync() : await port.receive();
    life.step();
    if (message.id !== ID.BATON) life.alarm(`a message ${message.id} came`);
    const [baton, token, next, ...way] = message.rights;
    const rights = [move(baton), move(token), ...way.map((hop) => move(hop))];
    try {
      next.sendSync({ id: ID.BATON, body: message.body.slice(), rights });
    } catch (error) {
      if (!DEATH.has(error.code)) life.alarm(`hand on: ${error.stack}`);
      for (const held of [baton, token, ...way]) held[Symbol.dispose]();
    }
    next[Symbol.dispose]();
    message[Symbol.dispose]();
  }
}
