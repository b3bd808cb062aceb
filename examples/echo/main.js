import { Worker } from "node:worker_threads";
import { Kernel } from "mach-ipc";
import { Echo } from "./echo.interface.js";

const kernel = await Kernel.boot();
kernel.spawn(() => new Worker(new URL("./echo.worker.js", import.meta.url)), { name: "echo" });
const echo = await kernel.bootstrap.lookUp(Echo, "example.echo"); // waits until the service checks in
console.log(await echo.shout({ text: "hello" }));
console.log(echo.sync.shout({ text: "hello" })); // the same server, blocking, where blocking is allowed
await kernel.close();
