// Calls whose answers are checked: through objects, blocking or awaited, through an interface, and by traps.

import {
  MACH_MSG_TYPE_COPY_SEND,
  MACH_MSG_TYPE_MAKE_SEND_ONCE,
  MACH_NOTIFY_SEND_ONCE,
  MACH_RCV_MSG,
  MACH_SEND_INVALID_DEST,
  MACH_SEND_MSG,
  traps,
} from "mach-ipc/traps";
import { answerTo, DEATH, ID, words, wordOf } from "./protocol.mjs";

const BYTES = 24 + 12 + 8;

/** One client: numbers its calls and counts what became of them. `alarm` is told of a wrong answer. */
export class Caller {
  constructor(client, alarm) {
    this.client = client;
    this.alarm = alarm;
    this.asked = 0;
    this.answered = 0;
    /** Failures by reason. */
    this.failed = {};
    this.buffer = new Uint8Array(BYTES);
    this.header = new Int32Array(this.buffer.buffer);
  }

  #next() {
    const n = ++this.asked;
    return { n, nonce: (n * 2654435761) | 0 };
  }

  #check(what, client, n, answer, expected) {
    if (client !== this.client || n !== expected.n || answer !== answerTo(expected.nonce)) {
      this.alarm(`client ${this.client}: ${what} answered ${client}/${n}/${answer} to call ${expected.n}`);
    }
    this.answered++;
  }

  /** A failure with a name that a death explains is false; another is an alarm. */
  #explain(what, error) {
    const code = error?.code ?? String(error);
    this.failed[code] = (this.failed[code] ?? 0) + 1;
    if (!DEATH.has(code)) this.alarm(`client ${this.client}: ${what} failed by ${error?.stack ?? error}`);
    return false;
  }

  #take(what, message, asked) {
    this.#check(what, wordOf(message, 0), wordOf(message, 1), wordOf(message, 2), asked);
    message[Symbol.dispose]();
    return true;
  }

  async call(right) {
    const asked = this.#next();
    try {
      const message = await right.call({ id: ID.CALL, body: words(this.client, asked.n, asked.nonce) });
      return this.#take("call", message, asked);
    } catch (error) {
      return this.#explain("call", error);
    }
  }

  callSync(right) {
    const asked = this.#next();
    try {
      const message = right.callSync({ id: ID.CALL, body: words(this.client, asked.n, asked.nonce) });
      return this.#take("callSync", message, asked);
    } catch (error) {
      return this.#explain("callSync", error);
    }
  }

  async ask(oracle) {
    const asked = this.#next();
    try {
      const got = await oracle.ask({ client: this.client, n: asked.n, nonce: asked.nonce });
      this.#check("ask", got.client, got.n, got.answer, asked);
      return true;
    } catch (error) {
      return this.#explain("ask", error);
    }
  }

  askSync(oracle) {
    const asked = this.#next();
    try {
      const got = oracle.sync.ask({ client: this.client, n: asked.n, nonce: asked.nonce });
      this.#check("sync.ask", got.client, got.n, got.answer, asked);
      return true;
    } catch (error) {
      return this.#explain("sync.ask", error);
    }
  }

  /** Sends a right along and takes it back. */
  async echo(oracle, right) {
    this.asked++;
    try {
      const got = await oracle.echo({ right });
      if (got.right.name !== right.name) this.alarm(`client ${this.client}: another right came back`);
      got.right[Symbol.dispose]();
      this.answered++;
      return true;
    } catch (error) {
      return this.#explain("echo", error);
    }
  }

  /** By one trap; `reply` is the name of a reply port. */
  trap(task, name, reply) {
    const asked = this.#next();
    const { header, buffer } = this;
    header[0] = MACH_MSG_TYPE_COPY_SEND | (MACH_MSG_TYPE_MAKE_SEND_ONCE << 8);
    header[1] = 36;
    header[2] = name;
    header[3] = reply;
    header[4] = 0;
    header[5] = ID.CALL;
    header[6] = this.client;
    header[7] = asked.n;
    header[8] = asked.nonce;
    const kr = traps(task).mach_msg(buffer, MACH_SEND_MSG | MACH_RCV_MSG, 36, BYTES, reply, 0, 0);
    if (kr === MACH_SEND_INVALID_DEST) return this.#explain("mach_msg", { code: "MACH_SEND_INVALID_DEST" });
    if (kr !== 0) return this.#explain("mach_msg", { code: `0x${kr.toString(16)}` });
    if (header[5] === MACH_NOTIFY_SEND_ONCE) return this.#explain("mach_msg", { code: "MIG_SERVER_DIED" });
    this.#check("mach_msg", header[6], header[7], header[8], asked);
    return true;
  }
}
