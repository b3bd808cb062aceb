// The kernel and the model side by side: tasks, each with a space and a map, on one to three processors of one thread; and the
// comparison after every operation. What the operations are is in operations.ts.

import * as codes from "../../../host-ts/abi/codes.gen.ts";
import { ZONE_OBJECT } from "../../../host-ts/abi/layout.gen.ts";
import { type Agent, Machine, plainModule } from "../../kernel/machine.js";
import type { Random } from "../random.js";
import type { Driven } from "./driven.js";
import type { Lease } from "./leases.js";
import { AddressMap, FIRST, LAST, type Page, PAGE, type Slot, type Span } from "./pages.js";
import { type Item, type PendingSend, rightsOf } from "./message-model.js";
import type { Wait } from "./message-operations.js";

export class Mismatch extends Error {}

export interface Port {
  readonly owner: Actor;
  dead: boolean;
  readonly queue: Message[];
  /** Sends that wait for room. */
  readonly senders: PendingSend[];
  /** The cookie of a receive that waits, or 0. */
  receiver: number;
}

export interface Message {
  readonly id: number;
  readonly items: readonly Item[];
}

export interface Actor {
  readonly handle: number;
  readonly serial: number;
  readonly self: number;
  readonly map: AddressMap;
  /** The port that it receives from. */
  port: Port;
  /** The task's own port. */
  readonly control: Port;
  /** Its names for ports. */
  readonly names: Map<Port, number>;
}

/** A memory entry: a port that names pages. */
export interface Entry {
  readonly port: Port;
  readonly pages: readonly Page[];
  /** The most that is allowed where it is mapped. */
  readonly prot: number;
  /** It is a snapshot: everybody who maps it has his own. */
  readonly isCopy: boolean;
}

/** What the model answers, and what becomes of it then. */
export interface Plan {
  code: number;
  apply?: () => void;
}

export interface Setting {
  processors: number;
  window: Span;
  /** Pages that one of the tasks may have, 0: as many as it wants. */
  quota: number;
  /** WebAssembly pages of memory. */
  memory: number;
}

/** A fault in the model, which the comparison must find. */
export const MUTATIONS = ["move-keeps-pages", "share-copies", "lease-copies", "maximum-is-forgotten"] as const;
export type Mutation = (typeof MUTATIONS)[number];

export interface Options {
  mutation?: Mutation | undefined;
  driven?: Driven | undefined;
  trace?: string[] | undefined;
  /** Drops entries of page tables before every operation. */
  drop?: Random | undefined;
}

/** What the core has for memory, as far as it is called by name here. */
interface MemoryCore {
  task_create(parent: number, ports: number, kmsgBytes: number, frames: number): number;
  vm_allocate(task: number, target: number, address: number, size: number, flags: number): number;
  vm_protect(task: number, target: number, address: number, size: number, maximum: number, prot: number): number;
  vm_region(task: number, target: number, address: number): number;
  vm_read_overwrite(task: number, target: number, address: number, size: number, kmsg: number): number;
  /** Drops entries of the task's page table at random. */
  pmap_drop(task: number, seed: number): number;
  /** Makes the page table lie about the page of this address; 0: it does not know the page. */
  pmap_poke(task: number, address: number): number;
}

export function memoryOf(agent: Agent): MemoryCore {
  return agent.core as unknown as MemoryCore;
}

/** WebAssembly pages that nothing here uses up. */
export const PLENTY = 4096;
const KEEPER = 9;
const QLIMIT = 2;
export const SHORTAGE = codes.KERN_RESOURCE_SHORTAGE;

let compiled: WebAssembly.Module | undefined;

export class World {
  readonly machine: Machine;
  readonly agents: Agent[];
  readonly setting: Setting;
  readonly actors: Actor[] = [];
  /** Tasks that do nothing themselves: their handle is that of who made them. */
  readonly children: Actor[] = [];
  readonly entries: Entry[] = [];
  readonly leases: Lease[] = [];
  /** Receives and sends of event loops that have not completed, by cookie. */
  readonly waits = new Map<number, Wait>();
  /** Everything that the kernel answered, linear addresses apart. */
  readonly answers: number[] = [];
  readonly trace: string[] | undefined;
  readonly mutation: Mutation | undefined;
  agent: Agent;
  operations = 0;
  refused = 0;
  nextId = 1;
  nextCookie = 1;
  readonly #driven: Driven | undefined;
  readonly #drop: Random | undefined;
  readonly #start: string;
  /** Runs no task. */
  readonly #keeper: Agent;
  #nextPid = KEEPER + 1;

  constructor(setting: Setting, { driven, trace, drop, mutation }: Options = {}) {
    compiled ??= plainModule();
    this.setting = setting;
    this.machine = new Machine(setting.memory, Math.min(setting.memory, 64), { module: compiled });
    this.agents = Array.from({ length: setting.processors }, (_, index) => this.machine.agent(1 + index));
    this.agent = this.agents[0] as Agent;
    this.trace = trace;
    this.mutation = mutation;
    this.#driven = driven;
    this.#drop = drop;
    this.#keeper = this.machine.agent(KEEPER);
    this.#start = this.census();
  }

  note(text: string): void {
    this.trace?.push(`${this.operations}: processor ${this.agent.pid}: ${text}`);
  }

  /** Calls the kernel on the processor whose turn it is. */
  call(name: string, ...given: number[]): number {
    const core = this.agent.core as unknown as Record<string, (...all: number[]) => number>;
    const trap = core[name];
    if (trap === undefined) throw new Error(`the kernel has no ${name}`);
    const code = trap(...given) >>> 0;
    this.#driven?.count(name, code, given);
    this.answers.push(code);
    return code;
  }

  /** Whether the core has the call. */
  has(name: string): boolean {
    return name in this.agent.core;
  }

  /** An option was used, and accepted. */
  option(text: string): void {
    this.#driven?.option(text);
  }

  /** Objects that there are. */
  get objects(): number {
    return this.agent.core.zone_count(ZONE_OBJECT);
  }

  /** A result of the last call. */
  out(index: number): number {
    return this.agent.out(index) >>> 0;
  }

  /** A result that depends on nothing but what was asked. */
  told(index: number): number {
    const value = this.out(index);
    this.answers.push(value);
    return value;
  }

  begin(agent: Agent): void {
    this.operations++;
    this.agent = agent;
    if (this.#drop === undefined) return;
    for (const { handle } of this.actors) {
      if (this.#drop.chance(60)) memoryOf(this.agent).pmap_drop(handle, this.#drop.word());
    }
  }

  /** Compares a code with the model's. Returns whether the call succeeded, and the model followed. */
  settle(call: string, got: number, { code, apply }: Plan, scarce: readonly number[] = [SHORTAGE]): boolean {
    this.note(`${call} -> ${codes.codeName(got)}`);
    if (got !== 0) this.refused++;
    if (got === code) {
      apply?.();
      return got === 0;
    }
    if (this.isScarce && scarce.includes(got)) {
      this.#driven?.count("shortage", got);
      return false;
    }
    throw new Mismatch(`${call}: the kernel answered ${codes.codeName(got)}, the model ${codes.codeName(code)}`);
  }

  /** Whether memory may run out: calls may then be refused for want of it, and must change nothing. */
  get isScarce(): boolean {
    return this.setting.quota > 0 || this.setting.memory < PLENTY;
  }

  expect(what: string, got: unknown, wanted: unknown): void {
    if (got !== wanted) throw new Mismatch(`${what}: the kernel has ${show(got)}, the model ${show(wanted)}`);
  }

  /** Adds a task; all of its memory but the window is taken. */
  addActor(quota = 0): Actor {
    const agent = this.agents[0] as Agent;
    must("task_create", memoryOf(agent).task_create(0, 0, 0, quota));
    const [handle, serial] = [agent.out(0), agent.out(1)];
    const actor = this.adopt(handle, serial, new AddressMap(this.setting.window));
    this.#wall(actor);
    return actor;
  }

  /** A task that there is becomes an actor. */
  adopt(handle: number, serial: number, map: AddressMap): Actor {
    const { core } = this.agents[0] as Agent;
    for (const each of this.agents) must("task_attach", each.core.task_attach(handle));
    const self = core.mach_task_self(handle) >>> 0;
    const actor = { handle, serial, self, map, names: new Map() } as unknown as Actor;
    Object.assign(actor, { control: portOf(actor) });
    this.actors.push(actor);
    this.#introduce(actor);
    this.openPort(actor);
    return actor;
  }

  /** Takes all memory but the window. */
  #wall({ handle, self, map }: Actor): void {
    const core = memoryOf(this.agents[0] as Agent);
    const { start, end } = map.window;
    for (const [from, to] of [
      [FIRST, start],
      [end, LAST],
    ] as const) {
      if (from === to) continue;
      const [address, size] = [from * PAGE, (to - from) * PAGE];
      must("wall", core.vm_allocate(handle, self, address, size, 0));
      must("wall", core.vm_protect(handle, self, address, size, 1, 0));
    }
  }

  #introduce(actor: Actor): void {
    const agent = this.agents[0] as Agent;
    const give = (from: Actor, name: number, to: Actor) => {
      must("task_insert_right", agent.core.task_insert_right(from.handle, name, 19, to.handle));
      return agent.out(0);
    };
    actor.names.set(actor.control, actor.self);
    for (const other of this.actors) {
      if (other === actor) continue;
      actor.names.set(other.control, give(other, other.self, actor));
      other.names.set(actor.control, give(actor, actor.self, other));
      actor.names.set(other.port, give(other, other.names.get(other.port) ?? 0, actor));
    }
    const [known] = this.actors;
    if (known === undefined || known === actor) return;
    for (const port of [...this.entries, ...this.children.map(({ control }) => ({ port: control }))]) {
      actor.names.set(port.port, give(known, known.names.get(port.port) ?? 0, actor));
    }
  }

  /** All tasks that memory calls can be made on. */
  get tasks(): readonly Actor[] {
    return [...this.actors, ...this.children];
  }

  /** A port that an actor was given becomes known to all. */
  #publish(actor: Actor, port: Port, name: number): void {
    actor.names.set(port, name);
    const { core } = this.agent;
    for (const other of this.actors) {
      if (other === actor) continue;
      must("task_insert_right", core.task_insert_right(actor.handle, name, 19, other.handle));
      other.names.set(port, this.out(0));
    }
  }

  adoptEntry(actor: Actor, name: number, made: Omit<Entry, "port">): void {
    const port = portOf(actor);
    this.#publish(actor, port, name);
    this.entries.push({ ...made, port });
  }

  /** A child that an actor made: with these pages, and the walls that its parent has; or with none. */
  adoptChild(maker: Actor, name: number, slots: Map<number, Slot> | null): void {
    const map = new AddressMap(this.setting.window);
    const child = {
      handle: maker.handle,
      serial: 1000 + this.nextId++,
      self: name,
      map,
      names: new Map(),
    } as unknown as Actor;
    Object.assign(child, { control: portOf(child) });
    for (const [page, slot] of slots ?? []) map.slots.set(page, slot);
    if (slots === null) this.#wall(child);
    this.#publish(maker, child.control, name);
    this.children.push(child);
  }

  /** Ports whose rights messages carry. */
  carried(): Set<unknown> {
    const messages = this.actors.flatMap(({ port }) => [...port.queue, ...port.senders.map(({ message }) => message)]);
    return new Set(messages.flatMap(({ items }) => items.flatMap(rightsOf)));
  }

  /** Makes the port that a task receives from, and lets all know it. */
  openPort(actor: Actor): Port {
    const agent = this.agents[0] as Agent;
    const { core } = agent;
    const { handle, self } = actor;
    must("allocate", core.mach_port_allocate(handle, self, 1));
    const name = agent.out(0);
    must("insert_right", core.mach_port_insert_right(handle, self, name, name, 20));
    must("qlimit", core.mach_port_set_attributes(handle, self, name, 1, QLIMIT, 1));
    const port = portOf(actor);
    actor.port = port;
    actor.names.set(port, name);
    for (const other of this.actors) {
      if (other === actor) continue;
      must("give", core.task_insert_right(handle, name, 19, other.handle));
      other.names.set(port, agent.out(0));
    }
    return port;
  }

  /** A processor's thread is gone, with the leases that it had; another takes its place. */
  replace(dead: Agent): void {
    this.#keeper.buries(dead);
    for (let index = this.leases.length - 1; index >= 0; index--) {
      if (this.leases[index]?.agent === dead) this.leases.splice(index, 1);
    }
    const fresh = this.machine.agent(this.#nextPid++);
    for (const { handle } of this.actors) must("task_attach", fresh.core.task_attach(handle));
    this.agents[this.agents.indexOf(dead)] = fresh;
    this.agent = fresh;
  }

  isFull(port: Port): boolean {
    return port.queue.length >= QLIMIT;
  }

  checkKernel(): void {
    const site = this.agent.core.kernel_check();
    if (site !== 0) throw new Mismatch(`kernel_check: 0x${site.toString(16)}`);
  }

  /** What there is of everything, as a text: live elements of all zones, and frames that are not of slabs. */
  census(): string {
    const kinds = this.machine.frames().map((owner) => owner & 0xf);
    const loose = kinds.filter((kind) => kind !== 2 && kind !== 3).length;
    const { core } = this.#keeper;
    const zones = Array.from({ length: 16 }, (_, zone) => core.zone_count(zone));
    return `zones ${zones.join(" ")}, frames ${loose}`;
  }

  /** Nothing is left of what the episode made, once the processors have left the tasks that ended. */
  finish(): void {
    this.checkKernel();
    for (const { core } of this.agents) must("processor_detach", core.processor_detach());
    const now = this.census();
    if (now !== this.#start) throw new Mismatch(`something is left: before ${this.#start}, after ${now}`);
  }
}

function portOf(owner: Actor): Port {
  return { owner, dead: false, queue: [], senders: [], receiver: 0 };
}

export function must(what: string, code: number): void {
  if (code !== 0) throw new Mismatch(`${what}: ${codes.codeName(code >>> 0)}`);
}

export function show(value: unknown): string {
  return typeof value === "number" ? `0x${(value >>> 0).toString(16)}` : String(value);
}
