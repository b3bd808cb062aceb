// UTF-8 in the kernel's memory. Short ASCII, the common case, is done byte by byte; the rest passes
// through a buffer of its own, since encoders and decoders of some platforms refuse shared memory.

const encoder: TextEncoder = new TextEncoder();
const decoder: TextDecoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
/** Longer texts go through the platform's encoder at once. */
const SHORT = 96;

let scratch: Uint8Array<ArrayBuffer> = new Uint8Array(1024);

function scratchOf(bytes: number): Uint8Array<ArrayBuffer> {
  if (scratch.length < bytes) scratch = new Uint8Array(bytes * 2);
  return scratch;
}

/**
 * Writes `text` at `at`, where there is room for 3 bytes per unit of the text.
 *
 * @returns how many bytes; -1 when there is a NUL in it
 */
export function writeText(octets: Uint8Array, at: number, text: string): number {
  const length = text.length;
  if (length <= SHORT) {
    let i = 0;
    for (; i < length; i++) {
      const unit = text.charCodeAt(i);
      if ((unit - 1) >>> 0 >= 0x7f) break; // NUL, or not ASCII
      octets[at + i] = unit;
    }
    if (i === length) return length;
  }
  const buffer = scratchOf(length * 3);
  const written = encoder.encodeInto(text, buffer).written;
  const bytes = buffer.subarray(0, written);
  if (bytes.includes(0)) return -1;
  octets.set(bytes, at);
  return written;
}

/** Reads `length` bytes of text at `at`; null when they are not UTF-8 or hold a NUL. */
export function readText(octets: Uint8Array, at: number, length: number): string | null {
  if (length <= SHORT) {
    let text = "";
    let i = 0;
    let all = 0;
    for (; i + 4 <= length; i += 4) {
      const a = octets[at + i] as number;
      const b = octets[at + i + 1] as number;
      const c = octets[at + i + 2] as number;
      const d = octets[at + i + 3] as number;
      all |= (a - 1) | (b - 1) | (c - 1) | (d - 1) | a | b | c | d;
      text += String.fromCharCode(a, b, c, d);
    }
    for (; i < length; i++) {
      const a = octets[at + i] as number;
      all |= (a - 1) | a;
      text += String.fromCharCode(a);
    }
    if (all >= 0 && all < 0x80) return text;
  }
  const buffer = scratchOf(length).subarray(0, length);
  buffer.set(octets.subarray(at, at + length));
  if (buffer.includes(0)) return null;
  try {
    return decoder.decode(buffer);
  } catch {
    return null;
  }
}
