// The kernel and the model compared as a whole: every page, every attribute, every view; and the kernel's own idea of itself.

import { checkLeases } from "./leases.js";
import { Page, PAGE } from "./pages.js";
import { type Actor, memoryOf, Mismatch, must, SHORTAGE, show, type World } from "./world.js";

/** Bytes that are compared at once. */
const PIECE = 16 * PAGE;

export function checkpoint(world: World): void {
  world.checkKernel();
  checkLeases(world, true);
  for (const actor of world.tasks) checkRegions(world, actor);
  checkBytes(world);
  world.checkKernel();
}

export function checkBytes(world: World): void {
  for (const actor of world.tasks) checkPages(world, actor);
}

/** Makes all memory readable that may be, so that its bytes are compared too. */
export function unveil(world: World): void {
  const core = memoryOf(world.agent);
  for (const { handle, self, map } of world.tasks) {
    for (const [page, slot] of map.slots) {
      if ((slot.prot & 1) !== 0 || (slot.max & 1) === 0) continue;
      const code = core.vm_protect(handle, self, page * PAGE, PAGE, 0, slot.prot | 1);
      if (code === SHORTAGE && world.isScarce) continue;
      must("vm_protect", code);
      slot.prot |= 1;
    }
  }
}

function checkRegions(world: World, { handle, self, map }: Actor): void {
  const core = memoryOf(world.agent);
  for (let page = 0; ; ) {
    const code = core.vm_region(handle, self, page * PAGE);
    const wanted = map.region(page);
    world.expect(`vm_region(0x${(page * PAGE).toString(16)})`, code, wanted === null ? 1 : 0);
    if (wanted === null) return;
    const { start, end, prot, max, inherit, shared } = wanted;
    const told = [start * PAGE, (end - start) * PAGE, prot, max, inherit, Number(shared)];
    world.expect("region", told.map((_, index) => show(world.out(index))).join(), told.map(show).join());
    page = end;
  }
}

function checkPages(world: World, actor: Actor): void {
  const { handle, map } = actor;
  const { core } = world.agent;
  const pages = map.mapped.filter((page) => ((map.at(page)?.prot ?? 0) & 1) !== 0);
  if (pages.length === 0) return;
  const kmsg = core.mach_msg_prepare(handle, PIECE, 0) >>> 0;
  if (kmsg === 0) {
    if (world.isScarce) return;
    throw new Mismatch("no kmsg to compare with");
  }
  const at = world.out(0);
  for (let index = 0; index < pages.length; ) {
    const start = pages[index] as number;
    let count = 1;
    while (count * PAGE < PIECE && pages[index + count] === start + count) count++;
    checkPiece(world, actor, start, count, kmsg, at);
    index += count;
  }
  must("release", core.mach_msg_release(kmsg));
}

function checkPiece(
  world: World,
  { handle, self, serial, map }: Actor,
  start: number,
  count: number,
  kmsg: number,
  at: number,
): void {
  const code = memoryOf(world.agent).vm_read_overwrite(handle, self, start * PAGE, count * PAGE, kmsg);
  if (code === SHORTAGE && world.isScarce) return;
  must(`vm_read_overwrite(0x${(start * PAGE).toString(16)}, ${count} pages)`, code);
  const bytes = world.machine.bytes.subarray(at, at + count * PAGE);
  for (let index = 0; index < count; index++) {
    const { bytes: wanted } = map.at(start + index)?.page ?? new Page();
    compareBytes(`page 0x${(start + index).toString(16)} of task ${serial}`, bytes.subarray(index * PAGE), wanted);
  }
}

export function compareBytes(what: string, got: Uint8Array, wanted: Uint8Array): void {
  const length = wanted.length;
  if (Buffer.compare(got.subarray(0, length), wanted) === 0) return;
  let at = 0;
  while (got[at] === wanted[at]) at++;
  let wrong = 0;
  for (let index = at; index < length; index++) if (got[index] !== wanted[index]) wrong++;
  throw new Mismatch(
    `${what}: ${wrong} of ${length} bytes are wrong, the first at ${at}: ${show(got[at])}, not ${show(wanted[at])}`,
  );
}
