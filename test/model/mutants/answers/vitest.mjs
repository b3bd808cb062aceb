// What the suites use of vitest, so that a test file is loaded once and its tests are run for one mutant after another. Answers to
// `import ... from "vitest"` in the process that does so (search.mjs).

import { chai, JestAsymmetricMatchers, JestChaiExpect, JestExtend, GLOBAL_EXPECT, setState } from "@vitest/expect";

chai.use(JestExtend);
chai.use(JestChaiExpect);
chai.use(JestAsymmetricMatchers);

/** Asks again until the matcher is content, for a second. */
const poll = (get) =>
  new Proxy(
    {},
    {
      get:
        (_, matcher) =>
        async (...wanted) => {
          for (let tries = 0; ; tries++) {
            try {
              return chai.expect(await get())[matcher](...wanted);
            } catch (error) {
              if (tries === 20) throw error;
              await new Promise((resolve) => setTimeout(resolve, 50));
            }
          }
        },
    },
  );

export const expect = Object.assign((value, message) => chai.expect(value, message), chai.expect, { poll });
Object.defineProperty(globalThis, GLOBAL_EXPECT, { value: expect, configurable: true });
setState({ assertionCalls: 0, isExpectingAssertions: false, isExpectingAssertionsError: null }, expect);

/** Tests that are being declared, and what is done around each. */
let declared = { tests: [], before: [], after: [], all: [] };
let prefix = "";

/** Runs `load`, which declares tests. Returns them. */
export async function collect(load) {
  declared = { tests: [], before: [], after: [], all: [] };
  await load();
  return declared;
}

function declare(name, first, second) {
  const run = typeof first === "function" ? first : second;
  declared.tests.push({ name: prefix + name, run });
}

/** `%s` and `$field` of a table's row. */
function named(name, row) {
  const list = Array.isArray(row) ? row : [row];
  let next = 0;
  return name.replaceAll(/%\w/g, () => String(list[next++])).replaceAll(/\$(\w+)/g, (_, field) => String(row[field]));
}

const each = (one) => (rows) => (name, first, second) => {
  const run = typeof first === "function" ? first : second;
  for (const row of rows) one(named(name, row), () => run(...(Array.isArray(row) ? row : [row])));
};

export const test = Object.assign(declare, { each: each(declare) });
export const it = test;

const group = (name, body) => {
  const before = prefix;
  prefix = `${prefix}${name} > `;
  body();
  prefix = before;
};
export const describe = Object.assign(group, { each: each(group) });

export const beforeEach = (run) => declared.before.push(run);
export const afterEach = (run) => declared.after.push(run);
export const beforeAll = (run) => declared.all.push(run);
export const afterAll = () => {}; // the process ends
