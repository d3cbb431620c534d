/** The body of a message as bytes, and the forms in which people read it. */
import type { Schemas } from '@/api/shared';

export type MessageRow = Schemas['MessageRow'];

/** `sysFlag` of a body that its producer packed. */
const PACKED = 1;
/** A small packed body can be a very large one. */
const UNPACKED_BYTES_MAX = 8 * 1024 * 1024;
/** More is no help to a reader, and slow to draw. */
export const SHOWN_BYTES_MAX = 64 * 1024;
const HEX_LINE_BYTES = 16;

/** The bytes as they were sent. */
export function bytesOf({ messageBody, messageBodyEncoding }: Pick<MessageRow, 'messageBody' | 'messageBodyEncoding'>): Uint8Array<ArrayBuffer> {
  return messageBodyEncoding === 'base64'
    ? Uint8Array.from(atob(messageBody), (letter) => letter.charCodeAt(0))
    : new TextEncoder().encode(messageBody);
}

export function isPacked({ sysFlag }: Pick<MessageRow, 'sysFlag'>): boolean {
  return (sysFlag & PACKED) !== 0;
}

/** `null` for what is not packed as it says, or too large unpacked. */
export async function unpacked(bytes: Uint8Array<ArrayBuffer>, bytesMax = UNPACKED_BYTES_MAX): Promise<Uint8Array<ArrayBuffer> | null> {
  const parts: Uint8Array[] = [];
  let size = 0;
  try {
    const reader = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip')).getReader();
    for (;;) {
      const { value } = await reader.read();
      if (value === undefined) {
        break;
      }
      size += value.length;
      if (size > bytesMax) {
        await reader.cancel();
        return null;
      }
      parts.push(value);
    }
  } catch {
    return null;
  }
  const whole = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** `null` for bytes that are not UTF-8. */
export function textOf(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return null;
  }
}

/** JSON with a line for each part; `null` for what is none, or is a bare word or number. */
export function jsonOf(text: string): string | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? JSON.stringify(value, null, 2) : null;
  } catch {
    return null;
  }
}

/** Lines as `00000010  68 65 6c 6c 6f …  |hello…|`. */
export function hexOf(bytes: Uint8Array): string {
  const lines: string[] = [];
  for (let at = 0; at < bytes.length; at += HEX_LINE_BYTES) {
    const line = [...bytes.subarray(at, at + HEX_LINE_BYTES)];
    const place = at.toString(16).padStart(8, '0');
    const hex = line.map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
    const letters = line.map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.')).join('');
    lines.push(`${place}  ${hex.padEnd(HEX_LINE_BYTES * 3 - 1)}  |${letters}|`);
  }
  return lines.join('\n');
}

/** The first bytes of a long body, without a part of a letter at the end of what is text. */
export function beginning(bytes: Uint8Array<ArrayBuffer>, bytesMax = SHOWN_BYTES_MAX): Uint8Array<ArrayBuffer> {
  if (bytes.length <= bytesMax) {
    return bytes;
  }
  let end = bytesMax;
  // A byte 10xxxxxx goes on with a letter that began before; no letter has more than three.
  while (end > bytesMax - 4 && ((bytes[end] ?? 0) & 0xc0) === 0x80) {
    end--;
  }
  return bytes.slice(0, end);
}
