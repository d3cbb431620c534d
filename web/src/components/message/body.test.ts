import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { bytesOf, excerptOf, hexOf, laidOut, textOf, unpacked } from './body';

const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64');

test('a body is the same bytes in either form, and none is empty', () => {
  const text = 'äöü 消息 😀';
  expect(bytesOf({ body: text })).toEqual(bytesOf({ bodyBase64: base64(Buffer.from(text)) }));
  expect(bytesOf({})).toHaveLength(0);
  const all = Uint8Array.from({ length: 256 }, (_, at) => at);
  expect(bytesOf({ bodyBase64: base64(all) })).toEqual(all);
  expect(textOf(all)).toBeNull();
  expect(textOf(bytesOf({ body: '\uFEFFx' }))).toBe('\uFEFFx');
});

test('what is packed is unpacked up to a bound, and what is not is told', async () => {
  const packed = (size: number) => new Uint8Array(gzipSync(Buffer.alloc(size, 'a')));
  expect(textOf(await unpacked(packed(3)))).toBe('aaa');
  await expect(unpacked(packed(9 * 1024 * 1024))).rejects.toThrow('over');
  await expect(unpacked(new Uint8Array([1, 2, 3]))).rejects.toThrow();
});

test('only what JSON keeps exactly is laid out', () => {
  expect(laidOut(' {"a":[1]}')).toBe('{\n  "a": [\n    1\n  ]\n}');
  expect(laidOut('{"a":')).toBeNull();
  expect(laidOut('42')).toBeNull();
  expect(laidOut('{"id":12345678901234567890}')).toBeNull();
  expect(laidOut('{"x":0.12345678901234567}')).toBeNull();
  expect(laidOut('{"x":1e400}')).toBeNull();
  expect(laidOut('{"id":"12345678901234567890"}')).toBeNull();
});

test('hex has rows of sixteen', () => {
  expect(hexOf(new Uint8Array())).toBe('');
  const [first, second] = hexOf(Uint8Array.from({ length: 17 }, (_, at) => at + 0x41)).split('\n');
  expect(first).toBe('00000000  41 42 43 44 45 46 47 48 49 4a 4b 4c 4d 4e 4f 50  |ABCDEFGHIJKLMNOP|');
  expect(second).toMatch(/^00000010 {2}51 +\|Q\|$/);
  expect(second?.indexOf('|')).toBe(first?.indexOf('|'));
});

test('an excerpt is one line and does not cut letters in two', () => {
  expect(excerptOf({ body: 'a\n\t b' })).toBe('a b');
  expect(excerptOf({ body: '😀😀😀' }, 2)).toBe('😀😀…');
  expect(excerptOf({ bodyBase64: base64(new Uint8Array([255, 0])) })).toBe('(binary, 2 B)');
  expect(excerptOf({ bodyBase64: 'AAAA', contentEncoding: 'gzip' })).toBe('(gzip, 3 B)');
});
