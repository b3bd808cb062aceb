// Receivers of numbered messages: of a persistent port that outlives them, and of a set of ports.

import { ID, SET_MEMBERS, setName, wordOf } from "../protocol.mjs";

/** Notes each message before it lets it go, so that a message that nobody noted was in a dead hand. */
export async function sink(life, joined) {
  const { ledger, incarnation, random } = life;
  const list = wordOf(joined, 0);
  const port = joined.rights[3];
  life.ready();
  let last = -1;
  const take = (message) => {
    const n = wordOf(message, 0);
    const before = ledger.saw(list, n, incarnation);
    if (before !== 0) life.alarm(`message ${n} of sink ${list} was seen by ${before}`);
    if (n <= last) life.alarm(`message ${n} of sink ${list} came after ${last}`);
    last = n;
    message[Symbol.dispose]();
  };
  if (port === undefined) return void setInterval(() => life.step(), 1); // there are more sinks than ports
  while (true) {
    life.step();
    const kind = random();
    if (kind < 0.4) take(port.receiveSync());
    else if (kind < 0.7) take(await port.receive());
    else for (const message of port.tryReceiveMany(8)) take(message);
  }
}

export async function setReceiver(life, joined) {
  joined[Symbol.dispose]();
  const { task, random } = life;
  const members = [];
  for (let member = 0; member < SET_MEMBERS; member++) {
    members.push(await task.bootstrap.checkIn(setName(life.slot, member)));
  }
  const set = task.allocatePortSet(members);
  const next = new Map();
  life.ready();
  const take = (message) => {
    const sender = wordOf(message, 0);
    const session = wordOf(message, 1);
    const n = wordOf(message, 2);
    const key = `${message.port.name}/${sender}/${session}`;
    const due = next.get(key) ?? 0;
    if (message.id !== ID.NUMBERED || n !== due) life.alarm(`${key}: message ${n} where ${due} was due`);
    next.set(key, n + 1);
    message[Symbol.dispose]();
  };
  while (true) {
    life.step();
    const kind = random();
    if (kind < 0.5) take(set.receiveSync());
    else if (kind < 0.8) take(await set.receive());
    else for (const message of set.tryReceiveMany(8)) take(message);
    if (random() < 0.05) {
      set.remove(members[0]);
      set.add(members[0]);
    }
  }
}
