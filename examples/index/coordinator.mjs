// The job over Mach ports: maps the text into memory that messages share, finds its workers by name, deals page ranges out by typed
// calls, merges.

import { Worker } from "node:worker_threads";
import { Kernel, MigError } from "mach-ipc";
import { Index, PIECE_BYTES } from "./interface.mjs";
import { merge } from "./words.mjs";

/** Calls that wait at one worker: enough that it never idles, few enough that nothing piles up. */
const CALLS_PER_WORKER = 4;

/** Memory of the kernel beside the text. */
const WORKING_BYTES = 128 * 1024 * 1024;

/**
 * Counts the words of `pieces` with `workers` tasks. With `kill`, one of them is terminated half way.
 * Returns the counts, milliseconds to start and to work, pieces by worker and pieces dealt out again.
 */
export async function indexWithPorts(pieces, { workers, kill, progress }) {
  const begun = performance.now();
  const kernel = await Kernel.boot({ maximumBytes: pieces.length * PIECE_BYTES + WORKING_BYTES });
  try {
    const team = [];
    for (let i = 1; i <= workers; i++) {
      const service = `example.index.${i}`;
      const task = kernel.spawn(() => new Worker(new URL("./worker.mjs", import.meta.url)), {
        name: `index ${i}`,
        data: { service },
      });
      team.push({ task, service, alive: true, pieces: 0 });
    }
    // A look-up waits until the service checks in; a worker that ends before fails the program.
    for (const member of team) {
      const tooEarly = member.task.exited.then(({ reason, error }) => {
        throw error ?? new Error(`${member.task.name} ended before it checked in: ${reason}`);
      });
      member.client = await Promise.race([kernel.bootstrap.lookUp(Index, member.service), tooEarly]);
      tooEarly.catch(() => {}); // later it may end as it likes
    }

    const started = performance.now();
    const total = new Map();
    const todo = mapped(pieces, kernel.task.memory).reverse();
    const victim = kill ? team[0] : null;
    let dealt = 0;
    let done = 0;
    let again = 0;
    let killed = null;

    const lane = async (member) => {
      while (member.alive && todo.length > 0) {
        const text = todo.pop();
        dealt++;
        try {
          const call = member.client.count({ text });
          if (member === victim && killed === null && dealt * 2 >= pieces.length) killed = member.task.terminate();
          const { counts } = await call;
          merge(counts, total);
          member.pieces++;
          progress(++done, pieces.length);
        } catch (error) {
          if (!(error instanceof MigError && error.code === "MIG_SERVER_DIED")) throw error;
          member.alive = false;
          again++;
          todo.push(text);
        }
      }
    };
    while (done < pieces.length) {
      const alive = team.filter((member) => member.alive);
      const lanes = Array(CALLS_PER_WORKER).fill(alive).flat();
      if (lanes.length === 0) throw new Error("every worker died");
      await Promise.all(lanes.map(lane));
    }
    await killed;
    return {
      total,
      startMs: started - begun,
      workMs: performance.now() - started,
      shares: team.map((member) => member.pieces),
      again,
      killed: killed === null ? null : victim.task.name,
    };
  } finally {
    await kernel.close();
  }
}

/** Maps the pieces, each from a page of its own on: ranges of one region, whose pages a message shares without copying them. */
function mapped(pieces, memory) {
  const region = memory.allocate(pieces.length * PIECE_BYTES);
  return pieces.map((piece, i) => {
    region.set(piece, i * PIECE_BYTES);
    return region.range(i * PIECE_BYTES, piece.length);
  });
}
