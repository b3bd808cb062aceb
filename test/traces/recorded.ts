// The recorded sequences: what two tasks of a real GNU Mach 1.8 did, and what it answered. Names are labels: `k3` is the fourth name
// that the kernel picked in task A, `u3` one that the caller chose, `B.` stands before those of task B, and `null` and `dead` are
// MACH_PORT_NULL and MACH_PORT_DEAD. After each operation `diff` has the change of both name spaces, complete.

import { readFile } from "node:fs/promises";
import { gunzipSync } from "node:zlib";

export type Actor = "A" | "B";
export type Label = string;

export interface Item {
  t: "port" | "ool_ports" | "ool" | "data" | "name" | "int";
  disp?: number;
  names?: Label[];
  size?: number;
  fill?: number;
  dealloc?: 0 | 1;
  sum?: string;
  name?: Label;
  amb?: 1;
  v?: number;
}

export interface RecordedMessage {
  rdisp: number;
  ldisp: number;
  complex: number;
  size: number;
  remote: Label;
  local: Label;
  seqno: number;
  id: number;
  body?: Item[];
}

export interface Arguments {
  task?: Actor;
  name?: Label;
  old?: Label;
  new?: Label;
  poly?: Label;
  notify?: Label;
  member?: Label;
  after?: Label;
  remote?: Label;
  local?: Label;
  right?: number;
  delta?: number;
  disp?: number;
  msgid?: number;
  sync?: number;
  qlimit?: number;
  mscount?: number;
  seqno?: number;
  rdisp?: number;
  ldisp?: number;
  id?: number;
  items?: Item[];
  rcv_size?: "big" | "header";
  large?: number;
}

export interface Operation {
  op: string;
  by: Actor;
  args: Arguments;
  kr: number;
  out: Record<string, unknown> & { msg?: RecordedMessage; returned?: RecordedMessage; header?: RecordedMessage };
  diff?: Record<Label, number>;
  xnu?: string[];
}

export interface Sequence {
  file: string;
  seed: number;
  label?: string;
  amb?: 1;
  ops: Operation[];
}

export const FILES = ["portable", "directed", "random"] as const;

/** The sequences of one file. */
export async function recorded(file: string): Promise<Sequence[]> {
  const packed = await readFile(new URL(`fixtures/${file}.jsonl.gz`, import.meta.url));
  const lines = gunzipSync(packed).toString("utf8").trim().split("\n");
  return lines.map((line) => ({ file, ...(JSON.parse(line) as Omit<Sequence, "file">) }));
}

/** Which task's space a label lies in. */
export function actorOf(label: Label): Actor {
  return label.startsWith("B.") ? "B" : "A";
}

/** Whether the caller chose the name. */
export function isChosen(label: Label): boolean {
  return /^(B\.)?u\d+$/.test(label);
}

export function isLabel(value: unknown): value is Label {
  return typeof value === "string" && /^((B\.)?[ku]\d+|null|dead)$/.test(value);
}
