/** The bytes of a message's body, and the ways to look at them. */

export interface Content {
  body?: string | null;
  bodyBase64?: string | null;
  /** How the producer packed it, such as `gzip`. */
  contentEncoding?: string | null;
}

/** More than this is not put on a page; the whole body can be saved. */
export const SHOWN_BYTES_MAX = 64 * 1024;
/** What a packed body may become, however small it is. */
const UNPACKED_BYTES_MAX = 8 * 1024 * 1024;
const HEX_ROW = 16;

export function bytesOf({ body, bodyBase64 }: Content): Uint8Array<ArrayBuffer> {
  if (body != null) {
    return new TextEncoder().encode(body);
  }
  return Uint8Array.from(atob(bodyBase64 ?? ''), (char) => char.charCodeAt(0));
}

/** Unpacks what is packed; throws for what is not, and for what becomes too large. */
export async function unpacked(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  const reader = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip')).getReader();
  const parts: Uint8Array[] = [];
  let size = 0;
  for (;;) {
    const { value, done } = await reader.read();
    if (done) {
      break;
    }
    size += value.length;
    if (size > UNPACKED_BYTES_MAX) {
      await reader.cancel();
      throw new Error(`over ${UNPACKED_BYTES_MAX} bytes`);
    }
    parts.push(value);
  }
  const whole = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** As UTF-8; `null` when it is none. */
export function textOf(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return null;
  }
}

/** Numbers that JavaScript would round stay as they were written: those bodies are not laid out. */
const EXACT = /(?<![\w.])-?\d{16,}|\d\.\d{16,}|\d[eE][+-]?\d/;

/** Laid out with a line for each member; `null` when it is no object or list. */
export function laidOut(text: string): string | null {
  if (!/^\s*[[{]/.test(text) || EXACT.test(text)) {
    return null;
  }
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return null;
  }
}

/** `00000000  68 65 6c …  |hel…|`, a row for 16 bytes. */
export function hexOf(bytes: Uint8Array): string {
  const rows: string[] = [];
  for (let at = 0; at < bytes.length; at += HEX_ROW) {
    const row = bytes.slice(at, at + HEX_ROW);
    const hex = Array.from(row, (byte) => byte.toString(16).padStart(2, '0')).join(' ');
    const text = Array.from(row, (byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.')).join('');
    rows.push(`${at.toString(16).padStart(8, '0')}  ${hex.padEnd(HEX_ROW * 3 - 1)}  |${text}|`);
  }
  return rows.join('\n');
}

/** The beginning of a body on one line, for a list. */
export function excerptOf(content: Content, chars = 80): string {
  if (content.body == null) {
    const bytes = content.bodyBase64 == null ? 0 : bytesOf(content).length;
    return `(${content.contentEncoding ?? 'binary'}, ${bytes} B)`;
  }
  const line = content.body.slice(0, chars * 4).replace(/\s+/g, ' ');
  const letters = Array.from(line);
  return letters.length > chars ? `${letters.slice(0, chars).join('')}…` : line;
}
