// What does it cost to give 64 KiB to 64 MiB to another worker: to hand it over, to have it read there, to keep a copy?
//
// Unit: us an exchange, a call with the payload and its answer, both sides blocking, a core each. Everybody's waits are alike
// (spin some 50 us, then sleep; peers by two words and Atomics), but for "by events".
//   handed over        nobody touches the payload
//   pages read         the sender writes one word, the receiver sums the first word of every page (4 KiB)
//   all read           the sender writes one word, the receiver sums all words, by the same loop for everybody
//   filled             the sender first copies a whole payload in; pages read
//   n % written        the receiver gets a copy and holds it while the sender writes the first word of so many of its pages (1 %:
//                      single pages, evenly spread); then, called again, the receiver reads a word of every page of its copy
// Case: a region "moved" goes there and comes back with the answer, by traps, or "by objects" (Regions); "copied" is a virtual
// copy, which the receiver drops; "new" is allocated for each exchange and dropped by the receiver. Leases, which is how a program
// gets at the bytes, are within all times. Baselines: transferred, an ArrayBuffer there and back; allocated, one made anew,
// filled, transferred, and dropped (what people do); cloned, structured clone, which the receiver drops; in place, a
// SharedArrayBuffer of which only the turn passes; sliced, a copy that is transferred; memcpy, the same bytes within the sender.
// A surprise: a hand-over that grows with the size; pages read above 1.5x of in place; filled near allocated.

const KiB = 1024;
const MiB = 1024 * KiB;
const sizes = new Map([
  ["64 KiB", 64 * KiB],
  ["1 MiB", MiB],
  ["16 MiB", 16 * MiB],
  ["64 MiB", 64 * MiB],
]);
const SMALLEST = "64 KiB";

const nothing = { read: "nothing" };
const pagesRead = { read: "pages" };
const allRead = { read: "bytes" };
const filled = { read: "pages", fill: true };
const written = (part) => ({ read: "pages", part });
const said = new Map([
  [nothing, "handed over"],
  [pagesRead, "pages read"],
  [allRead, "all read"],
  [filled, "filled"],
]);

/** Counts of exchanges, not of messages of 64 bytes: from one on; some 32 MiB are checked. */
const counts = (bytes) => ({ step: 1, checked: Math.max(2, Math.min(64, (32 * MiB) / bytes)) });

function method(file, make, as, size, what, more = {}) {
  const bytes = sizes.get(size);
  const how = said.get(what) ?? `${what.part * 100} % written`;
  return { name: `${as}, ${size}, ${how}`, as, file, make, options: { bytes, ...what, ...more }, ...counts(bytes) };
}

const ours = (make, as, size, what) => ({ ...method("out-of-line", make, as, size, what), needs: "kernel" });
const peer = (make, as, size, what, more) => method("bulk", make, as, size, what, more);

const moved = (size, what) => ours("moved", "moved", size, what);
const byObjects = (size, what) => ({ ...ours("moved", "moved by objects", size, what), file: "regions" });
const copied = (size, what) => ours("copied", "copied", size, what);
const fresh = (size, what) => ours("fresh", "new", size, what);
const transferred = (size, what) => peer("transferred", "transferred", size, what);
const littering = (make, size, what) => ({ ...peer(make, make, size, what), last: 1 });
const allocated = (size) => littering("allocated", size, filled);
const sliced = (size, what) => littering("sliced", size, what);
const cloned = (size, what) => littering("cloned", size, what);
const inPlace = (size, what) => peer("inPlace", "in place", size, what, { both: "payload" });
const copiedIn = (size, what) => peer("copied", "copied into a shared one", size, what, { both: "copy" });
const byEvents = (size, transfer) => ({
  ...peer("byEvents", `${transfer ? "transferred" : "cloned"} by events`, size, nothing, { transfer }),
  last: transfer ? 0 : 1,
});
const memcpy = (size) => ({ ...peer("memcpy", "memcpy", size, nothing), name: `memcpy, ${size}`, last: 2 });

function casesOf(size) {
  const smallest = (make) => (size === SMALLEST ? [] : [{ ...make(SMALLEST, nothing), as: SMALLEST }]);
  const row = (own, ...baselines) => ({ case: own.name, unit: "us", method: own, baselines });
  const events = [byEvents(size, true), byEvents(size, false)];
  const readers = (what) => [inPlace, transferred, cloned].map((make) => make(size, what));
  const snapshots = (what) => [copiedIn, sliced, cloned].map((make) => make(size, what));
  return [
    row(moved(size, nothing), ...smallest(moved), ...readers(nothing), ...events, memcpy(size)),
    row(byObjects(size, nothing), ...smallest(byObjects), ...readers(nothing)),
    row(copied(size, nothing), ...smallest(copied), cloned(size, nothing), memcpy(size)),
    row(moved(size, pagesRead), ...readers(pagesRead), allocated(size)),
    row(byObjects(size, pagesRead), ...readers(pagesRead), allocated(size)),
    row(moved(size, allRead), ...readers(allRead)),
    row(moved(size, filled), inPlace(size, filled), transferred(size, filled), allocated(size)),
    row(fresh(size, filled), allocated(size)),
    ...[0, 0.01, 1].map(written).map((what) => row(copied(size, what), ...snapshots(what), memcpy(size))),
  ];
}

/** A process for each size: its methods share their buffers. Fewer rounds of what takes long. */
export const stages = [...sizes.keys()].map((size) => ({
  name: size.replace(" ", ""),
  placement: "a core each",
  clients: 1,
  ...(sizes.get(size) > MiB && { roundsMax: 15 }),
  maximumBytes: 1024 * MiB,
  cases: casesOf(size),
}));
