// A copy of core-as in which each constant that is answered, and each change of a count, asks which mutant this is: expressions, so
// that one compilation holds them all (as ../generate.mjs does with statements).
//
//   other     another code in the place of the code
//   success   success in the place of a refusal
//   flip      another constant is returned: true and false, 0 and 1
//   drop      the count stays
//   turn      the count goes the other way

import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { NodeKind, Parser, Token } from "assemblyscript";
import { files, root, text as read } from "../../../../scripts/lib/run.mjs";
import { DEBUG_ALONE, LEFT_ALONE, MUTANT } from "../generate.mjs";
import { COUNTED, isBits, isSuccess, nearCode, NOT_COUNTED, numberOf, TIME_ALONE } from "./rules.mjs";

export const FOLDER = "build/answers/core-as";

const COMPARES = new Set([
  Token.Equals_Equals,
  Token.Exclamation_Equals,
  Token.LessThan,
  Token.GreaterThan,
  Token.LessThan_Equals,
  Token.GreaterThan_Equals,
]);
const STEPS = { [Token.Plus_Plus]: ["++", "--"], [Token.Minus_Minus]: ["--", "++"] };
/** Properties of nodes that lead out of the expression. */
const SKIPPED = new Set(["range", "type", "returnType", "signature", "decorators", "typeArguments", "toType", "name"]);

/**
 * Writes the mutated copy.
 *
 * @returns {{ number: number, kind: string, class: string, file: string, name: string, text: string, line: number }[]}
 */
export function generate() {
  rmSync(join(root, FOLDER), { recursive: true, force: true });
  const mutants = [];
  for (const path of files("core-as", /\.ts$/)) {
    const file = path.slice("core-as/".length);
    write(file, LEFT_ALONE.test(file) ? read(path) : new Rewriter(file, read(path), mutants).run());
  }
  write("kern/mutant.ts", MUTANT);
  write("kern/cover.ts", "export declare function cover(number: u32): void;\n");
  write("kern/env.ts", `${read("core-as/kern/env.ts")}\nexport declare const mutant: u32;\n`);
  write("tsconfig.json", read("core-as/tsconfig.json"));
  return mutants;
}

function write(file, out) {
  const path = join(root, FOLDER, file);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, out);
}

/** The nodes directly inside one, in the order of the source. */
function inside(node) {
  const found = [];
  for (const [key, value] of Object.entries(node)) {
    if (SKIPPED.has(key)) continue;
    for (const each of Array.isArray(value) ? value : [value])
      if (each !== null && typeof each === "object" && typeof each.kind === "number" && each.range) found.push(each);
  }
  return found.sort((a, b) => a.range.start - b.range.start);
}

/** One file. */
class Rewriter {
  constructor(file, source, mutants) {
    Object.assign(this, { file, source, mutants, name: "" });
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
      out += source.slice(at, statement.body.range.start) + this.#render(statement.body, {});
      at = statement.body.range.end;
    }
    out += source.slice(at);
    const path = relative(dirname(file), "kern/mutant").replaceAll("\\", "/");
    return `import { is_mutant } from "${path.startsWith(".") ? path : `./${path}`}";\n${out}`;
  }

  #text({ range }) {
    return this.source.slice(range.start, range.end);
  }

  #flat(node) {
    return this.#text(node)
      .replaceAll(/\s+\/\/.*$/gm, "")
      .replaceAll(/\s+/g, " ")
      .replaceAll("( ", "(")
      .replaceAll(", )", ")")
      .trim();
  }

  #add(kind, group, node, text) {
    const line = this.source.slice(0, node.range.start).split("\n").length;
    const number = this.mutants.length + 1;
    // The same change of the same words in one function is told by which it is.
    const same = this.mutants.filter(
      (each) => each.file === this.file && each.name === this.name && each.kind === kind && each.as === text,
    ).length;
    const shown = same === 0 ? text : `${text} #${same + 1}`;
    this.mutants.push({ number, kind, class: group, file: this.file, name: this.name, text: shown, as: text, line });
    return number;
  }

  /** The source of a node with what is inside it changed, and itself. `to`: what the node is for. */
  #render(node, to) {
    if (node.kind === NodeKind.If && DEBUG_ALONE.test(this.#flat(node))) return this.#text(node);
    if (TIME_ALONE.test(this.name)) return this.#text(node);
    if (node.kind === NodeKind.Call && /^(kassert|kdebug)\(/.test(this.#flat(node))) return this.#text(node);
    let out = "";
    let at = node.range.start;
    const texts = new Map();
    for (const child of inside(node)) {
      if (child.range.start < at) continue;
      const text = this.#render(child, this.#purpose(node, child, to));
      texts.set(child, text);
      out += this.source.slice(at, child.range.start) + text;
      at = child.range.end;
    }
    out += this.source.slice(at, node.range.end);
    return this.#count(node, out, texts, to) ?? this.#constant(node, out, to) ?? out;
  }

  /** What a child is for: what is asked, what a loop steps by, what is returned, which statement it is in. */
  #purpose(node, child, to) {
    const next = { ...to };
    if (/;$|^(if|for|while|return|let|const)\b/.test(this.#text(child)) || node.kind === NodeKind.Block)
      next.statement = child;
    if (node.kind === NodeKind.Expression || node.kind === NodeKind.Variable) next.statement = node;
    if (node.kind === NodeKind.Return) Object.assign(next, { returned: true, statement: node });
    else if (node.kind === NodeKind.Ternary && child !== node.condition) next.returned = to.returned;
    else if (node.kind !== NodeKind.Parenthesized) next.returned = false;
    if ((node.kind === NodeKind.If || node.kind === NodeKind.While) && child === node.condition) next.asked = true;
    if (node.kind === NodeKind.For && child !== node.body) next.stepped = true;
    if (node.kind === NodeKind.Block) Object.assign(next, { asked: false, stepped: false });
    if (node.kind === NodeKind.Binary && COMPARES.has(node.operator)) next.compared = true;
    if (node.kind === NodeKind.Call) Object.assign(next, { compared: false, asked: false });
    if (node.kind === NodeKind.ElementAccess) next.stepped = true;
    return next;
  }

  #where(node, to) {
    return this.#flat(to.statement ?? node);
  }

  #constant(node, out, to) {
    const text = this.#flat(node);
    if (to.stepped || to.compared) return undefined;
    const where = this.#where(node, to);
    const near = node.kind === NodeKind.Identifier ? nearCode(text) : undefined;
    if (near !== undefined) {
      const other = this.#add("other", "answers", node, `${where}: ${text} -> ${near}`);
      let changed = `(is_mutant(${other}) ? <u32>${numberOf(near)} : ${out})`;
      if (!isSuccess(text) && !isBits(text)) {
        const success = this.#add("success", "answers", node, `${where}: ${text} -> success`);
        changed = `(is_mutant(${success}) ? <u32>0 : ${changed})`;
      }
      return changed;
    }
    if (!to.returned) return undefined;
    const flipped = this.#flipped(node, text);
    if (flipped === undefined) return undefined;
    const number = this.#add("flip", "constants", node, `${where}: ${text} -> ${flipped}`);
    return `(is_mutant(${number}) ? ${flipped} : ${out})`;
  }

  #flipped(node, text) {
    if (node.kind === NodeKind.True) return "false";
    if (node.kind === NodeKind.False) return "true";
    if (node.kind === NodeKind.Literal && /^\d+$/.test(text)) return text === "0" ? "1" : "0";
    if (node.kind === NodeKind.Literal && /^0x[0-9a-f]+$/.test(text)) return "0";
    if (node.kind === NodeKind.Identifier && /^[A-Z][A-Z0-9_]+$/.test(text)) return `(${text} ^ 1)`;
    return undefined;
  }

  /** Both mutants of a change of a count: `same`, `turned` and `out` are what is done. */
  #both(node, to, { same, turned, out }) {
    const where = this.#where(node, to);
    const mark =
      where === this.#flat(node) || where === `${this.#flat(node)};` ? where : `${where}: ${this.#flat(node)}`;
    const drop = this.#add("drop", "counts", node, mark);
    const changed = `is_mutant(${drop}) ? ${same} : ${out}`;
    if (turned === undefined) return `(${changed})`;
    const turn = this.#add("turn", "counts", node, mark);
    return `(is_mutant(${turn}) ? ${turned} : ${changed})`;
  }

  #count(node, out, texts, to) {
    if (to.stepped) return undefined;
    const text = this.#flat(node);
    if (node.kind === NodeKind.UnaryPostfix && STEPS[node.operator]) {
      const operand = this.#flat(node.operand);
      if (NOT_COUNTED.test(operand)) return undefined;
      const [step, back] = STEPS[node.operator];
      return this.#both(node, to, { same: operand, turned: `${operand}${back}`, out: `${operand}${step}` });
    }
    if (node.kind === NodeKind.Binary && !to.compared && !to.asked) {
      const [left, right] = [this.#flat(node.left), this.#flat(node.right)];
      const plus = node.operator === Token.Plus;
      if ((plus || node.operator === Token.Minus) && COUNTED.test(left) && !/[&|*]/.test(left)) {
        const [a, b] = [texts.get(node.left), texts.get(node.right)];
        if (/^(\d+|0x100000000|told|fresh|delta|bytes|SLAB_\w+)$/.test(right))
          return this.#both(node, to, { same: a, turned: `${a} ${plus ? "-" : "+"} ${b}`, out });
      }
      const adds = { [Token.Plus_Equals]: ["+=", "-="], [Token.Minus_Equals]: ["-=", "+="] }[node.operator];
      if (adds && !NOT_COUNTED.test(left))
        return this.#both(node, to, {
          same: left,
          turned: `(${left} ${adds[1]} ${texts.get(node.right)})`,
          out: `(${out})`,
        });
      if (
        node.operator === Token.Equals &&
        /\._?(ip|ips|imq|is|ikm|t)_\w+$/.test(left) &&
        COUNTED.test(left) &&
        /^\d+$/.test(right)
      )
        return `${texts.get(node.left)} = ${this.#both(node, to, { same: left, out: right })}`;
    }
    if (node.kind === NodeKind.Call) {
      const call = /^word_(add|sub)\(/.exec(text);
      if (call) {
        const args = node.args.map((each) => texts.get(each));
        const verb = `word_${call[1]}(${args[0]},`;
        return this.#both(node, to, {
          same: `${verb} 0)`,
          turned: `${verb} 0 - (${args[1]}))`,
          out: `${verb} ${args[1]})`,
        });
      }
    }
    if (
      node.kind === NodeKind.UnaryPrefix &&
      text === "-1" &&
      to.statement &&
      /_delta_\w+\(|urefs_add\(/.test(this.#where(node, to))
    )
      return this.#both(node, to, { same: "0", turned: "1", out: "-1" });
    return undefined;
  }
}
