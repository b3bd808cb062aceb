// What scenarios check at the end, beyond the general account.

import * as codes from "../../dist/abi/codes.gen.js";
import { refuse } from "./violation.mjs";
import { received } from "./world.mjs";

/** Nobody died and no exception left a trap. */
export function certain({ dead, faulted }) {
  return dead.size === 0 && faulted.size === 0;
}

/** The operation of `pid` at `at` answered with one of the codes, or a message; or it did not end, because of a death. */
export function answer(end, pid, at, ...allowed) {
  const result = end.result(pid, at);
  if (end.dead.has(pid) || end.faulted.has(pid) || received(result)) return;
  if (result === undefined && !certain(end)) return; // it waits for what the dead would have done
  refuse(!allowed.includes(result), `processor ${pid} is answered ${codes.codeName(result)} 0x${result?.toString(16)}`);
}

/** How many messages with the identifier were queued on the port is one of `counts`. Returns: how many. */
export function exactly({ queued }, id, counts, port) {
  const count = queued.filter((each) => each.id === id && each.port === port).length;
  refuse(![counts].flat().includes(count), `${count} messages ${id}, not ${counts}`);
  return count;
}

/** Messages that one thread sent one after the other to one port came, if they came, in that order. */
export function inOrder({ got, queued }, ...messages) {
  const all = [...got, ...queued];
  const seen = messages.map(({ id }) => all.find((each) => each.id === id)).filter((each) => each !== undefined);
  for (let at = 1; at < seen.length; at++) {
    refuse(seen[at].seqno <= seen[at - 1].seqno, `message ${seen[at].id} overtook ${seen[at - 1].id}`);
  }
}
