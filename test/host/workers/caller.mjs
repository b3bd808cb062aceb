// Calls echo.mjs with bodies of many sizes until told to stop, and checks every answer.

import { Task } from "mach-ipc";

const task = await Task.self();
const stop = new Int32Array(task.data.stop);
const echo = await task.bootstrap.lookUp(task.data.service);
let calls = 0;
let error = "";
try {
  while (Atomics.load(stop, 0) === 0) {
    const bytes = (calls * 37) % 9000;
    const reply = echo.callSync(
      { id: calls, bodyBytes: bytes, body: (body) => body.fill(calls & 0xff) },
      { timeout: 20_000 },
    );
    const { body } = reply;
    if (reply.id !== calls + 100 || body.length !== bytes || body.some((byte) => byte !== (calls & 0xff))) {
      throw new Error(`call ${calls}: a wrong answer of ${body.length} bytes`);
    }
    reply[Symbol.dispose]();
    calls++;
  }
} catch (reason) {
  error = String(reason.stack ?? reason);
}
task.rights.report.sendSync({ body: new TextEncoder().encode(JSON.stringify({ calls, error })) });
