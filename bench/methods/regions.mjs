// The package under test through its public surface: a region that goes there in a blocking call and comes back with the answer.
import { PAGE_BYTES } from "../lib/bulk.mjs";
import { exchange } from "../lib/exchange.mjs";
import { machIpc } from "../lib/kernel.mjs";

const regions = new Map();

/** One region for each size, in this thread. */
function ownOf({ task, bytes }) {
  if (!regions.has(bytes)) regions.set(bytes, { region: task.memory.allocate(bytes) });
  return regions.get(bytes);
}

const wordsOf = ({ chunks }) => chunks.map((chunk) => new Int32Array(chunk.buffer, chunk.byteOffset, chunk.length / 4));

function clientSide(right, own, move) {
  const outgoing = { memory: null };
  let lease = null;
  return {
    write(first, pages) {
      lease = own.region.write(first * PAGE_BYTES, pages * PAGE_BYTES);
      return wordsOf(lease);
    },
    written: () => lease[Symbol.dispose](),
    call() {
      outgoing.memory = [move(own.region)];
      const reply = right.callSync(outgoing);
      [own.region] = reply.memory;
      const { body } = reply;
      const answer = new DataView(body.buffer, body.byteOffset).getInt32(0, true);
      reply[Symbol.dispose]();
      return answer;
    },
  };
}

function serverSide(port, move) {
  const answer = new Int32Array(1);
  const outgoing = { body: new Uint8Array(answer.buffer), memory: null };
  let message = null;
  let region = null;
  let lease = null;
  return {
    take() {
      message = port.receiveSync();
      [region] = message.memory;
    },
    pieces() {
      lease = region.read();
      return wordsOf(lease);
    },
    read: () => lease[Symbol.dispose](),
    answer(value) {
      answer[0] = value;
      outgoing.memory = [move(region)];
      message.respond(outgoing);
      message[Symbol.dispose]();
    },
  };
}

export async function moved(context) {
  const { role, task, region: number } = context;
  const { move } = await machIpc();
  const service = `bench.${number}`;
  const { bootstrap } = task;
  const right = await (role === "client" ? bootstrap.lookUp(service) : bootstrap.checkIn(service));
  const side = role === "client" ? clientSide(right, ownOf(context), move) : serverSide(right, move);
  return { run: exchange(side, context), close: () => right[Symbol.dispose]() };
}
