// The booting thread's own part in a chaos run: it answers calls, collects what victims send, feeds the persistent ports,
// starts batons, and keeps account of all of it.

import { move } from "mach-ipc";
import { portDestroyed } from "../../dist/notification.js";
import { Space } from "../../dist/space.js";
import { Caller } from "./caller.mjs";
import { Oracle } from "./interface.mjs";
import {
  answerTo,
  DEATH,
  ID,
  migName,
  NOTE,
  NUMBERS,
  rpcName,
  SET_MEMBERS,
  setName,
  SINKS,
  words,
  wordOf,
} from "./protocol.mjs";

const BATONS_MAX = 12;
const BATON_MESSAGES = 3;
const CLIENTS = 3;

export class Desk {
  constructor({ kernel, ledger, slots, random, alarm, roleOf }) {
    this.kernel = kernel;
    this.ledger = ledger;
    this.slots = slots;
    this.random = random;
    this.alarm = alarm;
    this.roleOf = roleOf;
    this.task = kernel.createTask({ name: "desk" });
    this.desk = this.task.allocatePort();
    this.collector = this.task.allocatePort({ qlimit: 256 });
    this.echo = this.task.allocatePort();
    this.slow = this.task.allocatePort({ qlimit: 2 });
    this.toDesk = this.desk.makeSend();
    this.toCollector = this.collector.makeSend();
    this.toEcho = this.echo.makeSend();
    this.toSlow = this.slow.makeSend();
    /** What arrived, by incarnation. */
    this.collected = new Int32Array(ledger.incarnations);
    this.slowly = new Int32Array(ledger.incarnations);
    this.asked = new Map();
    /** Rights to live relays, by incarnation. */
    this.relays = new Map();
    this.ended = new Set();
    this.batons = { started: 0, refused: 0, returned: 0, lost: 0, tokens: 0 };
    this.underWay = new Map();
    this.sinks = Array.from({ length: SINKS }, (_, list) => this.#sink(list));
    this.crew = this.#crew();
    this.callers = Array.from({ length: CLIENTS }, (_, i) => new Caller(-100 - i, alarm));
    this.sends = { set: 0, sink: 0, crew: 0, refused: 0 };
    this.stopping = false;
    this.loops = [];
  }

  async start() {
    await this.#equipCrew();
    this.pumps = [
      this.#each(this.desk, (message) => this.#join(message)),
      this.#each(this.collector, (message) => this.#collect(message)),
      this.#each(this.echo, (message) => this.#answer(message)),
    ];
    this.loops = this.callers.map((caller, i) => this.#converse(caller, i));
    this.loops.push(this.#tick(), this.#flood());
  }

  /** What a victim of the crew needs to know. */
  get crewData() {
    const { task, port, echo, collector } = this.crew;
    return { handle: task.handle, port: port.name, echo: echo.name, collector: collector.name };
  }

  async #each(port, take) {
    for await (const message of port) {
      try {
        take(message);
      } catch (error) {
        this.alarm(`desk: ${error.stack}`);
      }
      message[Symbol.dispose]();
    }
  }

  #sink(list) {
    const sink = { list, receive: this.task.allocatePort({ qlimit: 32 }), send: null, sent: 0, back: 0 };
    sink.send = sink.receive.makeSend();
    return sink;
  }

  /** A task with a port of its own. */
  #crew() {
    const task = this.kernel.createTask({ name: "crew" });
    const port = task.allocatePort({ qlimit: 16 });
    return { task, port, send: port.makeSend(), sent: 0, echo: null, collector: null };
  }

  /** Rights go from the desk's task to the crew's by a message, as rights do. */
  async #equipCrew() {
    const { crew } = this;
    const door = await crew.task.bootstrap.checkIn("chaos.door");
    const toDoor = await this.task.bootstrap.lookUp("chaos.door");
    await toDoor.send({ rights: [this.toEcho, this.toCollector] });
    const message = await door.receive();
    [crew.echo, crew.collector] = message.rights;
    message[Symbol.dispose]();
    toDoor[Symbol.dispose]();
    door[Symbol.dispose]();
  }

  #join(message) {
    const incarnation = wordOf(message, 0);
    const rights = [this.toCollector, this.toEcho, this.toSlow];
    let list = -1;
    const sink = this.roleOf(incarnation) === "sink" ? this.sinks.find(({ receive }) => receive !== null) : undefined;
    if (sink !== undefined) {
      list = sink.list;
      const { receive } = sink;
      sink.receive = null;
      portDestroyed(Space.of(this.task), receive.name, (right) => {
        if (right === null) this.alarm(`sink ${list}: its receive right is gone`);
        sink.receive = right;
        sink.back++;
      });
      rights.push(move(receive));
    }
    try {
      message.respond({ body: words(list), rights });
    } catch (error) {
      if (!DEATH.has(error.code)) this.alarm(`join: ${error.stack}`);
      if (sink !== undefined) rights[3].right[Symbol.dispose](); // and comes back
    }
  }

  #collect(message) {
    const { id } = message;
    const incarnation = wordOf(message, 0);
    if (id === ID.REGISTER) {
      if (!this.ended.has(incarnation)) this.relays.set(incarnation, message.rights[0]);
      return;
    }
    if (id === ID.BATON) {
      this.#batonReturned(incarnation, message.rights);
      return;
    }
    const n = wordOf(message, 1);
    if (n !== this.collected[incarnation])
      this.alarm(`incarnation ${incarnation}: ${n} where ${this.collected[incarnation]} was due`);
    this.collected[incarnation] = n + 1;
  }

  #answer(message) {
    const client = wordOf(message, 0);
    const n = wordOf(message, 1);
    const before = this.asked.get(client) ?? 0;
    if (n <= before) this.alarm(`call ${n} of client ${client} came after ${before}`);
    this.asked.set(client, n);
    try {
      message.respond({ body: words(client, n, answerTo(wordOf(message, 2))) });
    } catch (error) {
      if (!DEATH.has(error.code)) this.alarm(`answer: ${error.stack}`);
    }
  }

  /** A relay has ended: it gets no batons any more. */
  forget(incarnation) {
    this.ended.add(incarnation);
    this.relays.get(incarnation)?.[Symbol.dispose]();
    this.relays.delete(incarnation);
    this.asked.delete(incarnation);
  }

  /** A receive right and a send right go round the relays; both come back or both are told dead. */
  #baton() {
    if (this.relays.size === 0 || this.underWay.size >= BATONS_MAX) return;
    const way = this.#way(1 + Math.floor(this.random() * 4));
    if (way === null) return;
    const number = ++this.batons.started;
    const receive = this.task.allocatePort();
    const send = receive.makeSend();
    const token = this.task.allocatePort();
    const tokenSend = token.makeSend();
    const last = this.toCollector.copy();
    const baton = { number, send, token, sent: 0, returned: false };
    this.#inside(baton);
    this.underWay.set(number, baton);
    const dead = send.dead.then(() => {
      if (!baton.returned) this.batons.lost++;
      send[Symbol.dispose]();
    });
    const noSenders = token.noSenders().then(() => {
      this.batons.tokens++;
      token[Symbol.dispose]();
    });
    Promise.all([dead, noSenders]).then(
      () => this.underWay.delete(number),
      (error) => this.alarm(`baton ${number}: ${error.stack}`),
    );
    const [first, ...rest] = way;
    const rights = [move(receive), move(tokenSend), ...rest.map((hop) => move(hop)), move(last)];
    let gone = false;
    try {
      gone = first.trySend({ id: ID.BATON, body: words(number), rights });
    } catch (error) {
      if (!DEATH.has(error.code)) this.alarm(`baton: ${error.stack}`);
    }
    if (!gone) {
      this.batons.refused++;
      this.batons.lost--;
      for (const { right } of rights) right[Symbol.dispose]();
    } else {
      this.#inside(baton);
    }
    first[Symbol.dispose]();
  }

  /** Rights to relays at random; null when one of them has died. */
  #way(hops) {
    const relays = [...this.relays.values()];
    const way = [];
    try {
      for (let hop = 0; hop < hops; hop++) way.push(relays[Math.floor(this.random() * relays.length)].copy());
      return way;
    } catch (error) {
      if (error.code !== "KERN_INVALID_RIGHT") this.alarm(`way: ${error.stack}`);
      for (const right of way) right[Symbol.dispose]();
      return null;
    }
  }

  /** Messages that travel in the baton's queue. */
  #inside(baton) {
    for (let i = 0; i < BATON_MESSAGES; i++) {
      try {
        if (baton.send.trySend({ id: ID.INSIDE, body: words(baton.number, baton.sent) })) baton.sent++;
      } catch (error) {
        if (!DEATH.has(error.code)) this.alarm(`into the baton: ${error.stack}`);
      }
    }
  }

  #batonReturned(number, [receive, tokenSend]) {
    const baton = this.underWay.get(number);
    if (baton === undefined || baton.returned) {
      this.alarm(`baton ${number} came twice`);
      return;
    }
    baton.returned = true;
    this.batons.returned++;
    const inside = receive.tryReceiveMany(64);
    const got = inside.map((message) => wordOf(message, 1));
    for (const message of inside) message[Symbol.dispose]();
    const due = Array.from({ length: baton.sent }, (_, n) => n);
    if (got.join() !== due.join()) this.alarm(`baton ${number} held ${got} where ${due} was due`);
    receive[Symbol.dispose]();
    tokenSend[Symbol.dispose]();
  }

  async #lookUp(...what) {
    try {
      return await this.task.bootstrap.lookUp(...what, { timeout: 200 });
    } catch (error) {
      if (error.code !== "MACH_RCV_TIMED_OUT") this.alarm(`lookUp: ${error.stack}`);
      return null;
    }
  }

  async #converse(caller, index) {
    const own = this.task.allocatePort();
    const gift = own.makeSend();
    while (!this.stopping) {
      const slot = Math.floor(this.random() * this.slots);
      const typed = (index & 1) === 1;
      const found = typed ? await this.#lookUp(Oracle, migName(slot)) : await this.#lookUp(rpcName(slot));
      if (found === null) continue;
      for (let i = 0; i < 50 && !this.stopping; i++) {
        const fine = typed
          ? i % 8 === 7
            ? await caller.echo(found, gift)
            : await caller.ask(found)
          : await caller.call(found);
        if (!fine) break;
      }
      found[Symbol.dispose]();
    }
    gift[Symbol.dispose]();
    own[Symbol.dispose]();
  }

  /** Floods the sets of victims, awaiting room. */
  async #flood() {
    for (let session = 1; !this.stopping; session++) {
      const right = await this.#lookUp(setName(Math.floor(this.random() * this.slots), session % SET_MEMBERS));
      if (right === null) continue;
      try {
        for (let n = 0; n < 100 && !this.stopping; n += 4) {
          const four = [0, 1, 2, 3].map((i) => right.send({ id: ID.NUMBERED, body: words(-200, session, n + i) }));
          await Promise.all(four.map((sent) => sent.catch((error) => this.#refused(error))));
          if (four.length > 0) this.sends.set += 4;
          if (this.lastRefused) break;
        }
      } catch (error) {
        this.alarm(`flood: ${error.stack}`);
      }
      this.lastRefused = false;
      right[Symbol.dispose]();
    }
  }

  #refused(error) {
    this.lastRefused = true;
    this.sends.refused++;
    if (!DEATH.has(error.code)) this.alarm(`send: ${error.stack}`);
  }

  /** Everything that is done a little at a time. */
  async #tick() {
    while (!this.stopping) {
      this.#takeSlow(2);
      for (const sink of this.sinks) this.#feed(sink, 8, "sink");
      this.#feed(this.crew, 8, "crew");
      if (this.random() < 0.5) this.#baton();
      const own = this.crew.task.allocatePort(); // the crew's space is contended from here too
      own.makeSend()[Symbol.dispose]();
      own[Symbol.dispose]();
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }

  #feed(sink, count, kind) {
    for (let i = 0; i < count && sink.sent < NUMBERS; i++) {
      if (!sink.send.trySend({ id: ID.NUMBERED, body: words(sink.sent) })) return;
      sink.sent++;
      this.sends[kind]++;
    }
  }

  #takeSlow(most) {
    for (let i = 0; i < most; i++) {
      const message = this.slow.tryReceive();
      if (message === null) return false;
      const incarnation = wordOf(message, 0);
      const n = wordOf(message, 1);
      if (n !== this.slowly[incarnation])
        this.alarm(`slow, incarnation ${incarnation}: ${n} where ${this.slowly[incarnation]} was due`);
      this.slowly[incarnation] = n + 1;
      message[Symbol.dispose]();
    }
    return true;
  }

  /** No more new work; whoever waits for a victim is told by its death. */
  stop() {
    this.stopping = true;
  }

  /** After the last victim died: takes what is left, checks that nothing is missing. Returns what was counted. */
  async account(roles, until) {
    await Promise.all(this.loops);
    await until(
      () => this.underWay.size === 0,
      () => `batons under way: ${[...this.underWay.keys()]}`,
    );
    await until(
      () => this.sinks.every(({ receive }) => receive !== null),
      () => "a persistent port has not come back",
    );
    while (this.#takeSlow(64));
    const idle = () => this.collector.status().messages === 0;
    await until(idle, () => "the collector has messages");
    for (let incarnation = 1; incarnation < roles.length; incarnation++)
      this.#accountOf(incarnation, roles[incarnation]);
    for (const sink of this.sinks) this.#accountOfSink(sink);
    const lost = this.#accountOfCrew(roles);
    const { started, refused, returned, lost: gone, tokens } = this.batons;
    if (tokens !== started || refused + returned + gone !== started) {
      this.alarm(`batons: ${JSON.stringify(this.batons)}`);
    }
    const came = this.sinks.reduce((sum, { back }) => sum + back, 0);
    return { batons: this.batons, sends: this.sends, portsBack: came, sinkLost: this.lost, crewLost: lost };
  }

  #accountOf(incarnation, role) {
    const { ledger, collected, slowly } = this;
    if (role !== "sender" && role !== "crew") return;
    const sent = ledger.note(incarnation, NOTE.SENT);
    if (collected[incarnation] < sent || collected[incarnation] > sent + 1) {
      this.alarm(`incarnation ${incarnation} (${role}): ${sent} sends returned, ${collected[incarnation]} arrived`);
    }
    const slow = ledger.note(incarnation, NOTE.SLOW);
    if (slowly[incarnation] < slow || slowly[incarnation] > slow + 1) {
      this.alarm(`incarnation ${incarnation}: ${slow} slow sends returned, ${slowly[incarnation]} arrived`);
    }
  }

  /** A message is missing only between the last that one incarnation saw and the first that another saw. */
  #accountOfSink({ list, receive, sent }) {
    const seen = this.ledger.seen[list];
    const last = this.ledger.incarnations; // this thread, at the end
    for (const message of receive.tryReceiveMany(1024)) {
      const n = wordOf(message, 0);
      if (seen[n] !== 0) this.alarm(`sink ${list}: message ${n} is still there, seen by ${seen[n]}`);
      seen[n] = last;
      message[Symbol.dispose]();
    }
    this.lost ??= 0;
    const finished = new Set();
    let by = 0;
    let missing = 0;
    for (let n = 0; n < sent; n++) {
      const who = seen[n];
      if (who === 0) {
        missing++;
        continue;
      }
      if (missing > 0 && who === by)
        this.alarm(`sink ${list}: ${missing} messages before ${n} are lost, and ${by} lives`);
      if (who !== by) {
        if (finished.has(who)) this.alarm(`sink ${list}: message ${n} was seen by ${who} after others`);
        finished.add(by);
        by = who;
      }
      this.lost += missing;
      missing = 0;
    }
    if (missing > 0 && by === last) this.alarm(`sink ${list}: the last ${missing} messages are lost`);
    this.lost += missing;
  }

  #accountOfCrew(roles) {
    const seen = this.ledger.seen[SINKS];
    for (const message of this.crew.port.tryReceiveMany(1024)) {
      const n = wordOf(message, 0);
      if (seen[n] !== 0) this.alarm(`crew: message ${n} is still there, seen by ${seen[n]}`);
      seen[n] = 1;
      message[Symbol.dispose]();
    }
    let lost = 0;
    for (let n = 0; n < this.crew.sent; n++) if (seen[n] === 0) lost++;
    const members = roles.filter((role) => role === "crew").length;
    if (lost > members) this.alarm(`crew: ${lost} messages are lost, ${members} members died`);
    return lost;
  }

  /** Ends both tasks and everything in them. */
  async close() {
    this.crew.task[Symbol.dispose]();
    this.task[Symbol.dispose]();
    await Promise.allSettled(this.pumps);
  }
}
