// The raw baselines: what two threads and 64 bytes cost when nothing stands between them. A slot that
// is passed to and fro (spinning, or with wait and notify), and a ring of one producer and one consumer.
// No names, rights, sizes, queues or deaths; this is the floor, not an alternative.
//
// A slot is two 128-byte halves, request and reply: the turn at 0, the payload behind it. A ring has
// the producer's line (written index, its copy of the reader's), the consumer's line the other way
// round, and 1024 cells. Indices run freely modulo 2^32.

const REPLY: usize = 128;
const PAYLOAD: usize = 16;

const RING_WRITTEN: usize = 0;
const RING_READ_SEEN: usize = 4;
const RING_READ: usize = 128;
const RING_WRITTEN_SEEN: usize = 132;
const RING_CELLS: usize = 256;
const RING_CELLS_MAX: u32 = 1024;

/** Copies a multiple of 64 bytes, four vectors at a time: faster than memory.copy at these sizes. */
function copy_lines(into: usize, from: usize, bytes: u32): void {
  for (let done: usize = 0; done < bytes; done += 64) {
    v128.store(into + done, v128.load(from + done));
    v128.store(into + done, v128.load(from + done, 16), 16);
    v128.store(into + done, v128.load(from + done, 32), 32);
    v128.store(into + done, v128.load(from + done, 48), 48);
  }
}

/** One round trip, spinning: the payload goes out of `buffer` and the answer comes back into it. */
export function spin_call(slot: usize, buffer: usize, bytes: u32, turn: u32): void {
  copy_lines(slot + PAYLOAD, buffer, bytes);
  atomic.store<u32>(slot, turn);
  while (atomic.load<u32>(slot + REPLY) !== turn) {}
  copy_lines(buffer, slot + REPLY + PAYLOAD, bytes);
}

/** Answers `count` calls from `turn` on with what they carried. */
export function spin_serve(slot: usize, buffer: usize, bytes: u32, turn: u32, count: u32): void {
  for (let end = turn + count; turn !== end; turn++) {
    while (atomic.load<u32>(slot) !== turn) {}
    copy_lines(buffer, slot + PAYLOAD, bytes);
    copy_lines(slot + REPLY + PAYLOAD, buffer, bytes);
    atomic.store<u32>(slot + REPLY, turn);
  }
}

/** As spin_call, asleep while the answer is not there. */
export function wait_call(slot: usize, buffer: usize, bytes: u32, turn: u32): void {
  copy_lines(slot + PAYLOAD, buffer, bytes);
  atomic.store<u32>(slot, turn);
  atomic.notify(slot, 1);
  while (atomic.load<u32>(slot + REPLY) !== turn) atomic.wait<u32>(slot + REPLY, turn - 1, -1);
  copy_lines(buffer, slot + REPLY + PAYLOAD, bytes);
}

/** As spin_serve, asleep while no call is there. */
export function wait_serve(slot: usize, buffer: usize, bytes: u32, turn: u32, count: u32): void {
  for (let end = turn + count; turn !== end; turn++) {
    while (atomic.load<u32>(slot) !== turn) atomic.wait<u32>(slot, turn - 1, -1);
    copy_lines(buffer, slot + PAYLOAD, bytes);
    copy_lines(slot + REPLY + PAYLOAD, buffer, bytes);
    atomic.store<u32>(slot + REPLY, turn);
    atomic.notify(slot + REPLY, 1);
  }
}

/** Puts `count` messages of `bytes` each into the ring, spinning while it is full; publishes what fits. */
export function ring_push(ring: usize, buffer: usize, bytes: u32, count: u32): void {
  let written = load<u32>(ring, RING_WRITTEN);
  while (count > 0) {
    let read = load<u32>(ring, RING_READ_SEEN);
    while (written - read === RING_CELLS_MAX) read = atomic.load<u32>(ring, RING_READ);
    store<u32>(ring, read, RING_READ_SEEN);
    const fitting = min(count, RING_CELLS_MAX - (written - read));
    for (let end = written + fitting; written !== end; written++, buffer += bytes) {
      copy_lines(ring + RING_CELLS + (written % RING_CELLS_MAX) * bytes, buffer, bytes);
    }
    atomic.store<u32>(ring, written, RING_WRITTEN);
    count -= fitting;
  }
}

/** Takes `count` messages out of the ring, spinning while it is empty; gives back what it emptied. */
export function ring_pop(ring: usize, buffer: usize, bytes: u32, count: u32): void {
  let read = load<u32>(ring, RING_READ);
  while (count > 0) {
    let written = load<u32>(ring, RING_WRITTEN_SEEN);
    while (read === written) written = atomic.load<u32>(ring, RING_WRITTEN);
    store<u32>(ring, written, RING_WRITTEN_SEEN);
    const there = min(count, written - read);
    for (let end = read + there; read !== end; read++, buffer += bytes) {
      copy_lines(buffer, ring + RING_CELLS + (read % RING_CELLS_MAX) * bytes, bytes);
    }
    atomic.store<u32>(ring, read, RING_READ);
    count -= there;
  }
}
