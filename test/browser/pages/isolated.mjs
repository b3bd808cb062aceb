// A page with the isolation headers: the window and workers share one kernel.

import { Kernel, MachMsgError, MigError, move } from "/dist/browser/index.js";
import { equal, rejection, runChecks } from "./checks.mjs";
import { Smoke } from "./interface.mjs";
import { checks } from "./isolated.names.mjs";

let kernel;
let echo;

async function start(service) {
  const task = kernel.spawn(() => new Worker(new URL("./smoke.worker.mjs", import.meta.url), { type: "module" }), {
    name: service,
    data: { service },
  });
  return { task, client: await kernel.bootstrap.lookUp(Smoke, service) };
}

/** The code with which a call in flight ends. */
async function ending(client, routine, end) {
  await client.shout({ text: "is it there" });
  const call = rejection(client[routine]({}));
  await end?.();
  const error = await call;
  equal([error instanceof MigError, error.code], [true, "MIG_SERVER_DIED"]);
}

await runChecks(checks, [
  async () => {
    kernel = await Kernel.boot();
    equal([crossOriginIsolated, kernel.mode], [true, "shared"]);
  },
  async () => {
    echo = (await start("smoke.echo")).client;
    equal((await kernel.bootstrap.list()).includes("smoke.echo"), true);
  },
  async () => {
    equal(await echo.shout({ text: "hello" }), { loud: "HELLO" });
    const loud = await Promise.all(Array.from({ length: 100 }, (_, i) => echo.shout({ text: `text ${i}` })));
    equal(
      loud.map((reply) => reply.loud),
      Array.from({ length: 100 }, (_, i) => `TEXT ${i}`),
    );
  },
  async () => {
    const error = await rejection((async () => echo.sync.shout({ text: "no" }))());
    equal([error instanceof MachMsgError, error.code], [true, "MACH_IPC_WOULD_BLOCK"]);
    equal(await echo.shout({ text: "still here" }), { loud: "STILL HERE" });
  },
  async () => {
    const port = kernel.task.allocatePort();
    await echo.poke({ port: move(port.makeSend()), id: 4711 });
    const message = await port.receive({ timeout: 5000 });
    equal(message.id, 4711);
    message[Symbol.dispose]();
    await port.noSenders();
    port[Symbol.dispose]();
  },
  async () => {
    const bytes = Uint8Array.from({ length: 200_000 }, (_, i) => i & 0xff);
    const region = await kernel.task.memory.from(new File([bytes], "bytes"));
    const { data } = await echo.turn({ data: move(region) });
    equal([region.disposed, data.size], [true, bytes.length]);
    bytes[0]++;
    const lease = data.read();
    equal([lease.bytes.length, lease.bytes[0], lease.bytes[199_999]], [200_000, bytes[0], bytes[199_999]]);
    lease[Symbol.dispose]();
    const streamed = new Uint8Array(await new Response(data.stream()).arrayBuffer());
    equal([await data.blob().text(), new TextDecoder().decode(streamed)], [data.text(), data.text()]);
    const again = await kernel.task.memory.from(data.stream());
    equal([...again.bytes(65_530, 12)], [...bytes.subarray(65_530, 65_542)]);
    for (const held of [data, again]) held[Symbol.dispose]();
  },
  async () => {
    const { client } = await start("smoke.relay");
    equal(await client.relay({ name: "smoke.echo", text: "through two" }), { loud: "THROUGH TWO" });
  },
  async () => {
    const { task, client } = await start("smoke.waiting");
    await ending(client, "wait", () => task.terminate());
    equal((await task.exited).reason, "terminated");
  },
  async () => {
    const { task, client } = await start("smoke.looping");
    await ending(client, "loop", async () => {
      await new Promise((resolve) => setTimeout(resolve, 50));
      await task.terminate();
    });
  },
  async () => {
    const { client } = await start("smoke.leaving");
    await ending(client, "leave");
  },
  async () => {
    const records = () => kernel.dump().processors.length;
    const before = records();
    for (const end of ["leave", "terminate"]) {
      const worker = new Worker(new URL("./attaching.worker.mjs", import.meta.url), { type: "module" });
      const tell = (what) =>
        new Promise((resolve) => {
          worker.onmessage = ({ data }) => resolve(data);
          worker.postMessage(what);
        });
      equal([await tell(kernel.attachment), records()], ["attached", before + 1]);
      if (end === "leave") equal(await tell("leave"), "left");
      else worker.terminate();
      while (records() > before) await new Promise((resolve) => setTimeout(resolve, 5));
      worker.terminate();
    }
  },
  async () => {
    await kernel.close();
  },
]);
