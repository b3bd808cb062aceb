// A page without the isolation headers: no memory can be shared, the kernel serves this thread alone.

import { Kernel, move } from "/dist/browser/index.js";
import { equal, rejection, runChecks } from "./checks.mjs";
import { Shout } from "./interface.mjs";
import { checks } from "./plain.names.mjs";

let kernel;
let other;

await runChecks(checks, [
  async () => {
    kernel = await Kernel.boot();
    equal([crossOriginIsolated, kernel.mode], [false, "local"]);
  },
  async () => {
    const error = await rejection(
      (async () => {
        const task = kernel.spawn(
          () => new Worker(new URL("./smoke.worker.mjs", import.meta.url), { type: "module" }),
          {
            name: "never",
          },
        );
        return task.exited.then(({ error }) => {
          throw error;
        });
      })(),
    );
    for (const header of ["Cross-Origin-Opener-Policy: same-origin", "Cross-Origin-Embedder-Policy: require-corp"]) {
      if (!error.message.includes(header)) throw new Error(`"${error.message}" does not name "${header}"`);
    }
  },
  async () => {
    other = kernel.createTask({ name: "other" });
    const inbox = other.allocatePort();
    await other.bootstrap.register("plain.inbox", inbox.makeSend());
    const send = await kernel.bootstrap.lookUp("plain.inbox");
    const back = kernel.task.allocatePort();
    const receiving = inbox.receive({ timeout: 5000 });
    await send.send({ id: 7, body: new Uint8Array([1, 2, 3]), rights: [back.makeSend()] });
    const message = await receiving;
    equal([message.id, [...message.body], message.rights.length], [7, [1, 2, 3], 1]);
    await message.rights[0].send({ id: 8 });
    message[Symbol.dispose]();
    const answer = await back.receive({ timeout: 5000 });
    equal(answer.id, 8);
    answer[Symbol.dispose]();
  },
  async () => {
    const inbox = other.allocatePort();
    await other.bootstrap.register("plain.memory", inbox.makeSend());
    const send = await kernel.bootstrap.lookUp("plain.memory");
    const region = kernel.task.memory.from(new Uint8Array(10_000).fill(7));
    send.trySend({ memory: [region, region.range(9999), move(region)] });
    const message = inbox.tryReceive();
    equal(
      message.memory.map((arrived) => [arrived.size, arrived.bytes().every((byte) => byte === 7)]),
      [
        [10_000, true],
        [1, true],
        [10_000, true],
      ],
    );
    const again = other.memory.from(message.memory[0].read().bytes);
    equal(again.size, 10_000);
    for (const held of [again, ...message.memory]) held[Symbol.dispose]();
    message[Symbol.dispose]();
  },
  async () => {
    await other.bootstrap.serve(Shout, "plain.smoke", { shout: ({ text }) => ({ loud: text.toUpperCase() }) });
    const client = await kernel.bootstrap.lookUp(Shout, "plain.smoke");
    equal(await client.shout({ text: "same thread" }), { loud: "SAME THREAD" });
  },
  async () => {
    await kernel.close();
  },
]);
