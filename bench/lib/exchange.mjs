// One exchange of a large payload, told once for all methods: what is written, handed over, read and answered. A method says how.
//
// The client's side of a method: write(first, pages) gives pieces to write these pages through and written() ends that;
// call(turn) hands over and returns the answer; again(turn) calls without a payload.
// The server's side: take(turn) waits for a call; pieces() gives the payload to read and read() ends that; answer(value)
// gives the payload back or drops it; hold() answers and keeps it until the next take(turn).
import {
  compareBytes,
  contentOf,
  copyInto,
  PAGE_BYTES,
  pagesOf,
  runsOf,
  stampPages,
  sumBytes,
  sumPages,
} from "./bulk.mjs";

const readers = { nothing: () => 0, pages: sumPages, bytes: sumBytes };

/**
 * A run of exchanges. `read`: what the receiver reads. `fill`: the sender copies a whole payload in before each. `part`, if
 * given: of so many pages the sender writes a word after each hand-over, while the receiver holds what it got.
 */
export function exchange(side, { role, bytes, read = "nothing", fill = false, part }) {
  const what = { bytes, read, fill, part };
  return role === "client" ? client(side, what) : server(side, what);
}

function client(side, { bytes, read, fill, part }) {
  const pages = bytes / PAGE_BYTES;
  const content = contentOf(bytes);
  const kept = part === undefined ? [] : runsOf(bytes, part);
  const { own = { number: 0 } } = side; // the number in the pages that are written afterwards
  const write = (first, count, store) => {
    store(side.write(first, count));
    side.written();
  };
  const whole = (turn) => (pieces) => {
    copyInto(pieces, content);
    pieces[0][0] = turn;
  };
  const prepare = (turn, full) => {
    if (full || fill) return write(0, pages, whole(turn));
    if (part === undefined && read !== "nothing") stampFirst(turn);
  };
  const stampFirst = (number) => write(0, 1, ([piece]) => (piece[0] = number));
  const writeAfterwards = () => {
    own.number++;
    for (const { first, pages } of kept) write(first, pages, (pieces) => stampPages(pieces, own.number));
  };
  const still = (readers[read]([content]) - sumOfRuns(content, kept)) | 0;
  const expected = (turn, number) => {
    if (read === "nothing") return 0;
    return (still + (part === undefined ? turn : number * pagesOf(kept))) | 0;
  };
  return (count, { full }) => {
    for (let turn = 0; turn < count; turn++) {
      const { number } = own;
      prepare(turn, full);
      let answer = side.call(turn);
      if (part !== undefined) {
        writeAfterwards();
        answer = side.again(turn);
      }
      if (!full && answer !== expected(turn, number))
        throw new Error(`exchange ${turn} is answered with ${answer}, not ${expected(turn, number)}`);
    }
    if (full) stampFirst(kept.length === 0 ? 0 : own.number);
  };
}

function sumOfRuns(content, runs) {
  const words = PAGE_BYTES / 4;
  const pieces = runs.map(({ first, pages }) => content.subarray(first * words, (first + pages) * words));
  return sumPages(pieces);
}

function server(side, { bytes, read, part }) {
  const reader = readers[read];
  return (count, probe) => {
    for (let turn = 0; turn < count; turn++) {
      side.take(turn);
      if (part !== undefined) {
        side.hold();
        side.take(turn);
      }
      let sum = 0;
      if (probe.full || read !== "nothing") {
        const pieces = side.pieces();
        if (probe.full) probe.hash = (probe.hash + compareBytes(pieces, contentOf(bytes), turn)) >>> 0;
        else sum = reader(pieces);
        side.read();
      }
      side.answer(sum);
    }
  };
}
