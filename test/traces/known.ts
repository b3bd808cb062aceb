// Where our kernel is known to answer something else than GNU Mach did, although no tag of the recording says so: each place, and why.
// An entry that no longer differs fails the test.

interface Known {
  readonly reason: string;
  /** By file: the seed of the sequence and the number of the operation in it. */
  readonly places: Readonly<Record<string, string>>;
}

const KNOWN: readonly Known[] = [
  {
    // A195: KERN_INVALID_NAME, there KERN_INVALID_RIGHT.
    reason: "status of a dead name",
    places: {
      directed: `
        101106:11 101386:12 101697:12 101719:12 102786:9 102802:9 102812:9 102834:9 102879:10 102887:9 102897:9
        102899:9 102902:9 102919:9 102935:9 102951:9 102956:10 102960:13 102997:11 103011:12 103012:11 103023:10
        103025:10 103029:10 103072:10 103076:10 103083:11 103091:10 103095:11 103125:10 103133:10 103148:10
        103166:10 103169:10 103172:10 103176:14 103183:10 103186:10 103194:11 103219:11 103221:12 103223:14
        103226:11 103228:11 103235:11 103240:11 103244:12 103246:12 103263:12 103265:12 103294:12 103297:12
        103299:12 103300:12 103308:12 103312:12 103313:12 103316:13 103334:12 103347:12 103356:12 103386:12
        103388:12 103393:12 103425:17 103429:14 103433:17 103436:13 103439:16 103452:13 103460:13 103477:14
        103483:11 103487:11 103489:11 103506:11 103543:11 103548:12 103557:11 103568:11 103570:12 103601:11
        103608:11 103633:11 103643:11 103646:11 103667:12 103676:12 104120:16 104418:13 104735:12 105346:11
        105510:12 106206:12 107202:10 107215:10 107257:10 107275:11 107295:10 107304:10 107307:10 107308:10
        107309:10 107310:10 107318:10 107330:10 107331:10 107349:10 107352:14 107362:10 107366:11 107373:12
        107377:15 107384:14 107397:12 107415:11
      `,
    },
  },
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
