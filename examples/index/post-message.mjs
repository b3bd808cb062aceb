// The same job over postMessage: same pieces, same number of workers, as many requests under way.
// This file is both sides.

import { isMainThread, parentPort, Worker } from "node:worker_threads";
import { count, encode, merge } from "./words.mjs";

const REQUESTS_PER_WORKER = 4;

if (!isMainThread) {
  parentPort.on("message", (text) => parentPort.postMessage(encode(count(text, new Map()))));
  parentPort.postMessage("ready");
}

/** Counts the words of `pieces` with `workers` workers. */
export async function indexWithPostMessage(pieces, { workers, progress }) {
  const begun = performance.now();
  const team = Array.from({ length: workers }, () => new Worker(new URL(import.meta.url)));
  try {
    await Promise.all(team.map((worker) => answer(worker)));
    const started = performance.now();
    const total = new Map();
    const todo = [...pieces].reverse();
    let done = 0;
    await Promise.all(
      team.map(
        (worker) =>
          new Promise((resolve, reject) => {
            let underWay = 0;
            const deal = () => {
              while (underWay < REQUESTS_PER_WORKER && todo.length > 0) {
                underWay++;
                worker.postMessage(todo.pop());
              }
              if (underWay === 0) resolve();
            };
            worker.on("error", reject);
            worker.on("message", (counts) => {
              underWay--;
              merge(counts, total);
              progress(++done, pieces.length);
              deal();
            });
            deal();
          }),
      ),
    );
    return { total, startMs: started - begun, workMs: performance.now() - started };
  } finally {
    await Promise.all(team.map((worker) => worker.terminate()));
  }
}

function answer(worker) {
  return new Promise((resolve, reject) => {
    worker.once("error", reject);
    worker.once("message", () => {
      worker.off("error", reject);
      resolve();
    });
  });
}
