// The kernel panics while something waits; the panic word is stored by hand. Prints the codes that the waiting get.

import { Kernel } from "mach-ipc";
import { HEADER, Header_h_panic } from "../../../dist/abi/layout.gen.js";

async function codeOf(promise) {
  const code = promise.then(
    () => "ok",
    (error) => error.code,
  );
  return await Promise.race([code, new Promise((resolve) => setTimeout(resolve, 2000, "hangs"))]);
}

const codes = new Set();
for (const kind of ["send", "call", "noSenders"]) {
  const kernel = await Kernel.boot();
  const port = kernel.task.allocatePort({ qlimit: 1 });
  const right = port.makeSend();
  const waiting = [];
  if (kind === "send") {
    right.trySend({ id: 1 });
    waiting.push(right.send({ id: 2 }));
  }
  if (kind === "call") waiting.push(right.call({ id: 1 }), right.call({ id: 2 }));
  if (kind === "noSenders") waiting.push(port.noSenders());
  waiting.push(kernel.task.allocatePort().receive(), kernel.task.allocatePort().receive());
  const ends = waiting.map(codeOf);
  await new Promise((resolve) => setTimeout(resolve, 20));
  kernel.task.processor.views.setU32(HEADER + Header_h_panic, 0x1234);
  try {
    kernel.task.allocatePort();
  } catch {}
  for (const code of await Promise.all(ends)) codes.add(code);
  await kernel.close();
}
console.log([...codes].join(", "));
process.exit();
