// All scenarios: those of `npm run model`, and those that only mutants need.

import { scenarios as general } from "../scenarios/index.mjs";
import { scenarios as own } from "../scenarios/mutants.mjs";

export const scenarios = { ...general, ...own };
