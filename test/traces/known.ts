// Where our kernel is known to answer something else than GNU Mach did, although no tag of the recording says so: each place, and why.
// An entry that no longer differs fails the test.

interface Known {
  readonly reason: string;
  /** By file: the seed of the sequence and the number of the operation in it. */
  readonly places: Readonly<Record<string, string>>;
}

const KNOWN: readonly Known[] = [
  {
    // A17, A27: 5 is LABELH, a right that no name holds; there it is no right at all, KERN_INVALID_VALUE.
    reason: "right 5",
    places: {
      portable: `
        20015:41 20027:10 20056:28 20077:25 20079:45 20087:45 20090:66 20102:18 20114:54 20127:43 20130:31 20132:32
        20136:11
      `,
      directed: `
        100740:2 100970:3 100973:3 101436:3 101666:4 102131:3 102593:4 103985:5 104452:6 104453:6 104680:4 104682:4
        104914:4 105149:3 105378:4 105380:4 106074:4 106537:4 106538:4 106540:4
      `,
      random: "18:11 23:36 40:15 40:20 46:14 47:51 58:31 68:15 75:58 78:45 88:13 94:65",
    },
  },
  {
    // A169: a port in a message to itself is destroyed, whatever its queue; there a full queue is told first,
    // MACH_SEND_TIMED_OUT.
    reason: "circle",
    places: {
      portable: "20129:21",
      random: "75:70 97:39",
    },
  },
  {
    // D1: a name has up to 65535 send references, and keeps them; there 65534.
    reason: "last user reference",
    places: {
      directed: "107156:7",
    },
  },
  {
    // Order of the notifications of one destruction, which no rule fixes: port-deleted comes before no-senders,
    // there behind it.
    reason: "order",
    places: {
      directed: "105416:13 105416:14",
    },
  },
];

/** "file seed operation" of each known difference, with its reason. */
export const known: ReadonlyMap<string, string> = new Map(
  KNOWN.flatMap(({ reason, places }) =>
    Object.entries(places).flatMap(([file, list]) =>
      list
        .trim()
        .split(/\s+/)
        .map((place): [string, string] => [`${file} ${place.replace(":", " ")}`, reason]),
    ),
  ),
);
