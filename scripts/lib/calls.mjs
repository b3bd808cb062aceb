// Every call of level 1 as its documentation tells it: read from the comments of the `*Traps` interfaces in host-ts/trap.
//
//   text              what the call does
//   @param NAME text  a parameter, with its unit
//   @kr CODE text     a return code, and when
//   @codes CALL [PREFIX...] [!CODE...]   the codes of another call too, those that begin so, but for some
//   @returns text     instead of codes
//   @source text      the Mach source of the behaviour, and the assertions
//   @differs text     where this kernel differs, and why; or "Nothing."
//
// What stands above an interface counts for each of its calls that has such a parameter or answers codes, and for the interfaces
// that it extends.

import { files, text } from "./run.mjs";

const INTERFACE =
  /^(\/\*\*(?:(?!\*\/)[\s\S])*\*\/\n)?export interface (\w+Traps)(?: extends ([\w, ]+))? \{([\s\S]*?)\}\n/gm;
const MEMBER = /^(?: {2}(\/\*\*(?:(?!\*\/)[\s\S])*\*\/)\n)? {2}(\w+)\(([^)]*)\): ([^;]+);/gm;

/** The spelling and number of every constant. */
export function codeNumbers() {
  const source = text("host-ts/abi/codes.gen.ts");
  return new Map([...source.matchAll(/^export const (\w+) = (\S+);/gm)].map(([, name, value]) => [name, value]));
}

/** A comment, taken apart at its tags. */
function parse(comment) {
  const lines = (comment ?? "")
    .replace(/^\s*\/\*\*|\*\/\s*$/g, "")
    .split("\n")
    .map((line) => line.replace(/^\s*\* ?/, "").trimEnd());
  const said = { text: [], tags: [] };
  for (const line of lines) {
    const tag = /^\s*@(\w+)\s*(.*)$/.exec(line);
    if (tag) said.tags.push({ tag: tag[1], text: tag[2] });
    else if (said.tags.length > 0) said.tags.at(-1).text += ` ${line.trim()}`;
    else said.text.push(line);
  }
  const named = (name) =>
    said.tags
      .filter(({ tag }) => tag === name)
      .map(({ text: value }) => {
        const [first, ...rest] = value.trim().split(/\s+/);
        return [first, rest.join(" ")];
      });
  const one = (name) => said.tags.find(({ tag }) => tag === name)?.text.trim() ?? "";
  return {
    text: said.text.join("\n").trim(),
    params: new Map(named("param")),
    codes: new Map(named("kr")),
    from: said.tags.filter(({ tag }) => tag === "codes").map(({ text: value }) => value.trim().split(/\s+/)),
    returns: one("returns"),
    source: one("source"),
    differs: one("differs"),
  };
}

/** The interfaces: name, file, what is said of all its calls, its own calls. */
function interfaces() {
  const found = [];
  for (const path of files("host-ts/trap", /\.ts$/)) {
    for (const [, comment, name, parents, body] of text(path).matchAll(INTERFACE)) {
      const members = [...body.matchAll(MEMBER)].map(([, doc, call, parameters, result]) => ({
        call,
        doc: parse(doc),
        signature: `${call}(${parameters.replace(/\s+/g, " ").trim().replace(/,$/, "")}): ${result}`,
        parameters: [...parameters.matchAll(/(\w+):/g)].map((parameter) => parameter[1]),
      }));
      found.push({ name, path, doc: parse(comment), parents: parents?.split(/,\s*/) ?? [], members });
    }
  }
  return found;
}

/** Every call, in the order of the source: `{ call, group, path, signature, text, params, codes, own, returns, source, differs }`. */
export function calls() {
  const rooms = interfaces();
  const above = (name) =>
    rooms.filter(({ parents }) => parents.includes(name)).flatMap((room) => [room, ...above(room.name)]);
  const list = [];
  for (const room of rooms) {
    const common = [room, ...above(room.name)].map(({ doc }) => doc);
    for (const { call, doc, signature, parameters } of room.members) {
      const said = (name) => doc.params.get(name) ?? common.map(({ params }) => params.get(name)).find(Boolean) ?? "";
      const shared =
        doc.returns || doc.codes.size + doc.from.length === 0 ? [] : common.flatMap(({ codes }) => [...codes]);
      list.push({
        ...{ call, group: room.doc.text, path: room.path, signature, text: doc.text },
        params: parameters.map((name) => [name, said(name)]),
        unknown: [...doc.params.keys()].filter((name) => !parameters.includes(name)),
        codes: new Map([...doc.codes, ...shared]),
        ...{ from: doc.from, returns: doc.returns, source: doc.source, differs: doc.differs },
      });
    }
  }
  for (const entry of list) {
    entry.own = new Set(entry.codes.keys());
    for (const [other, ...choice] of entry.from) {
      const prefixes = choice.filter((word) => !word.startsWith("!"));
      const codes = list.find(({ call }) => call === other)?.codes ?? new Map();
      for (const [code, when] of codes) {
        const chosen = prefixes.length === 0 || prefixes.some((prefix) => code.startsWith(prefix));
        const wanted = chosen && !choice.includes(`!${code}`);
        if (wanted && !entry.codes.has(code)) entry.codes.set(code, when);
      }
    }
  }
  return list;
}
