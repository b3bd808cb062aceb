/** What calls.mjs reads of one call. */
export interface Call {
  readonly call: string;
  readonly group: string;
  readonly path: string;
  readonly signature: string;
  readonly text: string;
  readonly params: readonly (readonly [string, string])[];
  readonly unknown: readonly string[];
  readonly codes: ReadonlyMap<string, string>;
  readonly own: ReadonlySet<string>;
  readonly returns: string;
  readonly source: string;
  readonly differs: string;
}

export function calls(): Call[];
export function codeNumbers(): Map<string, string>;
