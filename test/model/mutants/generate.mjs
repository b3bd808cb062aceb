// Makes the core of which every mutant is a part: a copy of core-as in which each statement that is a site asks `is_mutant(n)`.
// One compilation then holds all mutants, and which one runs says the immutable global `mutant`; 0 is none.
//
//   drop      if (is_mutant(n)) {} else statement
//   note      the store is made, and is not noted in the journal
//   exchange  the second of two statements is made before the first
//   swap      (special.mjs) another statement in its place

import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { NodeKind, Parser } from "assemblyscript";
import { files, root, text as read } from "../../../scripts/lib/run.mjs";
import { dropped, exchanged, looksAtStop, silent, unlocksEarly } from "./rules.mjs";
import { special } from "./special.mjs";

export const FOLDER = "build/mutants/core-as";
/** Not mutated: what is compiled for its constants, and what only tests call. */
export const LEFT_ALONE =
  /^(abi\/|layout\.ts|debug\.ts|index\.ts|env\.d\.ts|kern\/(bare|env|panic|param)\.ts|sync\/|trap\/kernel_check)/;
/** What only tests see. */
export const DEBUG_ALONE = /^if \(isDefined\(KERN_DEBUG\)\)/;
const SETTER = /set (\w+)\(value: u32\) \{\s*journal_set(_hint)?\(([^;]*?), value\);\s*\}/g;

const HELPERS = `
export function bare_set(address: usize, value: u32): void {
  store<u32>(address, value);
}

export function bare_set_hint(address: usize, value: u32): void {
  hint_store(address, value);
}

export function journal_set_four_but(
  but: u32, a: usize, a_value: u32, b: usize, b_value: u32, c: usize, c_value: u32, d: usize, d_value: u32,
): void {
  if (but != 0) journal_note(a);
  if (but != 1) journal_note(b);
  if (but != 2) journal_note(c);
  if (but != 3) journal_note(d);
  hint_store(a, a_value);
  hint_store(b, b_value);
  hint_store(c, c_value);
  hint_store(d, d_value);
}
`;

export const MUTANT = `// Which mutant this is.
import { mutant } from "./env";
import { cover } from "./cover";

@inline
export function is_mutant(number: u32): bool {
  if (isDefined(MUTANT_COVER)) {
    cover(number);
    return false;
  }
  return mutant == number;
}
`;

/**
 * Writes the mutated copy.
 *
 * @returns {{ number: number, kind: string, class: string, file: string, name: string, text: string, line: number }[]}
 */
export function generate() {
  rmSync(join(root, FOLDER), { recursive: true, force: true });
  const sources = files("core-as", /\.ts$/).map((path) => ({
    file: path.slice("core-as/".length),
    source: read(path),
  }));
  const journalled = new Set();
  for (const { source } of sources) for (const [, name] of source.matchAll(SETTER)) journalled.add(name);
  const mutants = [];
  for (const { file, source } of sources) {
    const out = LEFT_ALONE.test(file) ? source : new Rewriter(file, source, journalled, mutants).run();
    write(file, out);
  }
  write("kern/mutant.ts", MUTANT);
  write("kern/cover.ts", "export declare function cover(number: u32): void;\n");
  write("kern/env.ts", `${read("core-as/kern/env.ts")}\nexport declare const mutant: u32;\n`);
  write("tsconfig.json", read("core-as/tsconfig.json"));
  const unused = special.filter((each) => !each.used);
  if (unused.length > 0) throw new Error(`special.mjs names what is not there: ${unused[0].file}: ${unused[0].text}`);
  return mutants;
}

function write(file, out) {
  const path = join(root, FOLDER, file);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, out);
}

/** One file. */
class Rewriter {
  constructor(file, source, journalled, mutants) {
    Object.assign(this, { file, source, journalled, mutants });
    this.name = "";
  }

  run() {
    const { file, source } = this;
    const parser = new Parser();
    parser.parseFile(source, file, true);
    let out = "";
    let at = 0;
    for (const statement of parser.sources[0].statements) {
      if (statement.kind !== NodeKind.FunctionDeclaration || !statement.body) continue;
      this.name = statement.name.text;
      out += source.slice(at, statement.body.range.start) + this.#render(statement.body);
      at = statement.body.range.end;
    }
    out += source.slice(at);
    out = out.replace(SETTER, (whole, name, hint, address) =>
      [whole, `  set bare_${name}(value: u32) {\n    bare_set${hint ?? ""}(${address}, value);\n  }`].join("\n"),
    );
    const to = (module) => {
      const path = relative(dirname(file), module).replaceAll("\\", "/");
      return path.startsWith(".") ? path : `./${path}`;
    };
    let imports = `import { is_mutant } from "${to("kern/mutant")}";\n`;
    if (file === "kern/journal.ts") out += HELPERS;
    else imports += `import { bare_set, bare_set_hint, journal_set_four_but } from "${to("kern/journal")}";\n`;
    return imports + out;
  }

  #text(node) {
    const { start, end } = node.range;
    const text = this.source.slice(start, end);
    return text.endsWith(";") || text.endsWith("}") || this.source[end] !== ";" ? text : `${text};`;
  }

  /** The text of a statement on one line, as it is shown and found again. */
  #flat(node) {
    return this.#text(node)
      .replaceAll(/\s+\/\/.*$/gm, "")
      .replaceAll(/\s+/g, " ")
      .replaceAll("( ", "(")
      .replaceAll(", )", ")")
      .trim();
  }

  #add(kind, group, node, text = this.#flat(node)) {
    const line = this.source.slice(0, node.range.start).split("\n").length;
    const number = this.mutants.length + 1;
    this.mutants.push({ number, kind, class: group, file: this.file, name: this.name, text, line });
    return number;
  }

  /** The statement with the statements inside it rewritten. */
  #render(node) {
    const { start } = node.range;
    const parts = [];
    if (node.kind === NodeKind.Block) {
      const { statements } = node;
      const list = statements.map((each) => this.#site(each));
      this.#exchange(statements, list);
      statements.forEach((each, index) => {
        parts.push([each, list[index]]);
      });
    } else {
      for (const child of [node.ifTrue, node.ifFalse, node.body].filter((each) => each != null)) {
        parts.push([child, child.kind === NodeKind.Block ? this.#render(child) : `{ ${this.#site(child)} }`]);
      }
    }
    let out = "";
    let at = start;
    for (const [child, text] of parts) {
      out += this.source.slice(at, child.range.start) + text;
      at = child.range.end;
      if (this.source[at] === ";" && !this.#ended(child)) at++;
    }
    const { end } = node.range;
    out += this.source.slice(at, end);
    return parts.length === 0 ? this.#text(node) : out;
  }

  #ended(node) {
    return /[;}]$/.test(this.source.slice(node.range.start, node.range.end));
  }

  /** A statement, with the mutants of its own. */
  #site(node) {
    const flat = this.#flat(node);
    const { file, name } = this;
    if (DEBUG_ALONE.test(flat)) return this.#text(node);
    let out = this.#render(node);
    for (const each of special) {
      if (each.file !== file || each.name !== name || each.text !== flat) continue;
      each.used = true;
      const number = this.#add("swap", each.class, node, `${flat} -> ${each.swap || "nothing"}`);
      out = `if (is_mutant(${number})) { ${each.swap} } else { ${out} }`;
    }
    const bare = node.kind === NodeKind.If && !node.ifFalse && !/\b(return|break|continue)\b/.test(flat);
    const stops = node.kind === NodeKind.If && !node.ifFalse && !bare && looksAtStop(flat);
    if (node.kind !== NodeKind.Expression && !bare && !stops) return out;
    if (node.kind === NodeKind.Expression) {
      for (const [text, without] of this.#notes(flat)) {
        const number = this.#add("note", "notes", node, text);
        out = `if (is_mutant(${number})) { ${without} } else { ${out} }`;
      }
    }
    // An if around one statement is dropped with it, unless its condition does something.
    if (bare && !/^if \([^;]*\b(word_(swap|cas|and|or)|pair_cas|imq_\w+)\(/.test(flat)) return out;
    const group = stops ? "stops" : dropped({ file, name, text: flat });
    if (group === undefined) return out;
    const number = this.#add("drop", group, node);
    return `if (!is_mutant(${number})) { ${out} }`;
  }

  /** The same store without its note: [what is shown, what is done]. */
  #notes(flat) {
    if (this.file === "kern/journal.ts") return [];
    const set = /^journal_set(_hint)?\((.*)\);$/.exec(flat);
    if (set) return [[flat, `bare_set${set[1] ?? ""}(${set[2]});`]];
    const four = /^journal_set_four\((.*)\);$/.exec(flat);
    if (four) return [0, 1, 2, 3].map((at) => [`${flat} word ${at}`, `journal_set_four_but(${at}, ${four[1]});`]);
    const assign = /^(.*)\.(\w+) = (.*);$/.exec(flat);
    if (assign && this.journalled.has(assign[2]) && !/[;=]/.test(assign[1]))
      return [[flat, `${assign[1]}.bare_${assign[2]} = ${assign[3]};`]];
    return [];
  }

  /** Exchanges neighbours in a block. `list`: the rewritten texts, which become longer. */
  #exchange(statements, list) {
    const early = list.map(() => "");
    for (let at = 1; at < statements.length; at++) {
      let before = at - 1;
      const between = [];
      while (before >= 0 && this.#passes(statements[before], statements[at])) between.push(before--);
      if (before < 0) continue;
      const [a, b] = [statements[before], statements[at]];
      if (
        a.kind !== NodeKind.Expression &&
        (a.kind !== NodeKind.If || /\b(return|break|continue)\b/.test(this.#flat(a)))
      )
        continue;
      const [first, second] = [this.#flat(a), this.#flat(b)];
      if (!exchanged(first, second) && !unlocksEarly(first, second)) continue;
      const leaves = /\b(return|break|continue)\b/.test(second);
      if (b.kind === NodeKind.Expression || (b.kind === NodeKind.If && !leaves)) {
        const number = this.#add("exchange", "orders", b, `${first} <-> ${second}`);
        early[before] += `if (is_mutant(${number})) { ${list[at]} } `;
        list[at] = `if (!is_mutant(${number})) { ${list[at]} }`;
      } else if (b.kind === NodeKind.If && !b.ifFalse && b.ifTrue.kind !== NodeKind.Block) {
        const number = this.#add("exchange", "orders", b, `${first} <-> ${second}`);
        const condition = this.source.slice(b.condition.range.start, b.condition.range.end);
        early[before] += `if (is_mutant(${number})) { if (${condition}) { ${first} ${this.#text(b.ifTrue)} } } `;
        list[at] = `if (!is_mutant(${number})) { ${list[at]} }`;
      }
    }
    for (let at = 0; at < list.length; at++) list[at] = early[at] + list[at];
  }

  /** Whether `after` may be moved before `node` because that does nothing, or only declares what `after` does not use. */
  #passes(node, after) {
    const flat = this.#flat(node);
    if (silent(flat)) return true;
    if (node.kind !== NodeKind.Variable) return false;
    const used = this.#flat(after);
    return node.declarations.every(({ name }) => !new RegExp(`\\b${name.text}\\b`).test(used));
  }
}
