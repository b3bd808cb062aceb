// Goal: calls that were given up leave their place in the line to others. Method: a queue that is full, and more calls than may wait.

import { expect, test } from "vitest";
import { Kernel } from "mach-ipc";
import { rejected } from "./lib.js";

test("calls that were given up make room for others behind one that waits", async () => {
  await using kernel = await Kernel.boot();
  const port = kernel.task.allocatePort({ qlimit: 1 });
  const right = port.makeSend();
  right.trySend({ id: 1 });
  const first = rejected(right.call({ id: 2 }));
  await new Promise((resolve) => setTimeout(resolve, 20));
  const codes: Record<string, number> = {};
  for (let i = 0; i < 8500; i++) {
    const controller = new AbortController();
    const call = rejected(right.call({ id: 3 }, { signal: controller.signal }));
    controller.abort(new Error("enough"));
    const { message } = await call;
    codes[message] = (codes[message] ?? 0) + 1;
  }
  expect(codes).toEqual({ enough: 8500 });
  const last = right.call({ id: 4 });
  for (const id of [1, 2, 4]) {
    using request = await port.receive({ timeout: 5000 });
    expect(request.id).toBe(id);
    if (id === 4) request.respond({ id: 5 });
  }
  expect((await last).id).toBe(5);
  port[Symbol.dispose]();
  expect((await first).code).toBe("MIG_SERVER_DIED");
});
