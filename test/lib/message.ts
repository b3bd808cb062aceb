// Messages as bytes: built from a draft, taken apart into fields. The layout is that of a 32-bit user of untyped Mach
// (header 24 bytes, port descriptors 12, trailers), written down here once more so that tests do not borrow the kernel's.

export interface PortDescriptor {
  name: number;
  disposition: number;
  type?: number;
  /** Of memory and of an array of ports, whose address is `name`: how many bytes or ports, and its two flags. */
  count?: number;
  deallocate?: number;
  copy?: number;
  /** Of a guarded port: its guard and its flags. */
  context?: number;
  flags?: number;
}

export interface Draft {
  remote?: number;
  remoteDisposition?: number;
  local?: number;
  localDisposition?: number;
  voucher?: number;
  voucherDisposition?: number;
  id?: number;
  /** Sent as they are instead of the bits that the dispositions give. */
  bits?: number;
  /** What the header says of the size; the kernel goes by the argument of the call. */
  claimedSize?: number;
  descriptors?: readonly PortDescriptor[];
  /** Says COMPLEX although there is no descriptor. */
  complex?: boolean;
  data?: Uint8Array;
}

export interface Trailer {
  type: number;
  size: number;
  seqno: number;
  sender: readonly [number, number];
  audit: readonly number[];
  context: number;
}

export interface Parsed {
  bits: number;
  remoteType: number;
  localType: number;
  voucherType: number;
  complex: boolean;
  size: number;
  remote: number;
  local: number;
  voucher: number;
  id: number;
  descriptors: PortDescriptor[];
  data: Uint8Array;
  trailer: Trailer;
}

export const HEADER = 24;
export const COMPLEX = 0x80000000;
/** Memory, arrays of ports, volatile memory. */
const OUT_OF_LINE = [1, 2, 3];
const GUARDED_PORT = 4;

function words(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

export function word(bytes: Uint8Array, offset: number): number {
  return offset >= 0 && offset + 4 <= bytes.length ? words(bytes).getUint32(offset, true) : 0;
}

export function setWord(bytes: Uint8Array, offset: number, value: number): void {
  words(bytes).setUint32(offset, value, true);
}

export function build(draft: Draft): Uint8Array {
  const descriptors = draft.descriptors ?? [];
  const complex = draft.complex ?? draft.descriptors !== undefined;
  const data = draft.data ?? new Uint8Array(0);
  const base = complex ? HEADER + 4 + 12 * descriptors.length : HEADER;
  const bytes = new Uint8Array(base + data.length);
  const bits =
    (draft.remoteDisposition ?? 0) |
    ((draft.localDisposition ?? 0) << 8) |
    ((draft.voucherDisposition ?? 0) << 16) |
    (complex ? COMPLEX : 0);
  setWord(bytes, 0, draft.bits ?? bits);
  setWord(bytes, 4, draft.claimedSize ?? bytes.length);
  setWord(bytes, 8, draft.remote ?? 0);
  setWord(bytes, 12, draft.local ?? 0);
  setWord(bytes, 16, draft.voucher ?? 0);
  setWord(bytes, 20, draft.id ?? 0);
  if (complex) setWord(bytes, 24, descriptors.length);
  for (const [index, descriptor] of descriptors.entries()) {
    const offset = 28 + 12 * index;
    const isGuarded = descriptor.type === GUARDED_PORT;
    setWord(bytes, offset, isGuarded ? (descriptor.context ?? 0) : descriptor.name);
    setWord(bytes, offset + 4, isGuarded ? descriptor.name : (descriptor.count ?? 0));
    const flags = descriptor.flags ?? 0 | (descriptor.deallocate ?? 0) | ((descriptor.copy ?? 0) << 8);
    setWord(bytes, offset + 8, flags | (descriptor.disposition << 16) | ((descriptor.type ?? 0) << 24));
  }
  bytes.set(data, base);
  return bytes;
}

export function parse(bytes: Uint8Array): Parsed {
  const bits = word(bytes, 0);
  const size = word(bytes, 4);
  const complex = (bits & COMPLEX) !== 0;
  const descriptors: PortDescriptor[] = [];
  const count = complex && size >= 28 ? word(bytes, 24) : 0;
  for (let index = 0; index < count && 28 + 12 * index + 12 <= bytes.length; index++) {
    const shape = word(bytes, 28 + 12 * index + 8);
    const type = shape >>> 24;
    const array = { count: word(bytes, 28 + 12 * index + 4), deallocate: shape & 0xff, copy: (shape >>> 8) & 0xff };
    if (type === GUARDED_PORT) {
      const [context, name] = [word(bytes, 28 + 12 * index), word(bytes, 28 + 12 * index + 4)];
      descriptors.push({ name, disposition: (shape >>> 16) & 0xff, type, context, flags: shape & 0xffff });
      continue;
    }
    descriptors.push({
      ...{ name: word(bytes, 28 + 12 * index), disposition: (shape >>> 16) & 0xff, type },
      ...(OUT_OF_LINE.includes(type) ? array : {}),
    });
  }
  // A buffer that was not written says nothing of value.
  const end = Math.min(size, bytes.length) + (-size & 3);
  const trailerSize = word(bytes, end + 4);
  const field = (offset: number) => (offset + 4 <= trailerSize ? word(bytes, end + offset) : 0);
  return {
    bits,
    remoteType: bits & 0x1f,
    localType: (bits >>> 8) & 0x1f,
    voucherType: (bits >>> 16) & 0x1f,
    complex,
    size,
    remote: word(bytes, 8),
    local: word(bytes, 12),
    voucher: word(bytes, 16),
    id: word(bytes, 20) | 0,
    descriptors,
    data: bytes.slice(complex ? 28 + 12 * count : HEADER, size),
    trailer: {
      type: word(bytes, end),
      size: trailerSize,
      seqno: field(8),
      sender: [field(12), field(16)],
      audit: [20, 24, 28, 32, 36, 40, 44, 48].map(field),
      context: field(52),
    },
  };
}

/** The option bits that ask for a trailer of this element (type 0). */
export function trailerElements(element: number): number {
  return element << 24;
}
