import { Kernel } from "/dist/browser/index.js";

let task;

globalThis.onmessage = async ({ data }) => {
  if (data === "leave") {
    task[Symbol.dispose]();
    postMessage("left");
    return;
  }
  try {
    task = await Kernel.attach(data, { name: "attaching" });
    postMessage((await task.bootstrap.list()).includes("smoke.echo") ? "attached" : "alone");
  } catch (error) {
    postMessage(error.message);
  }
};
