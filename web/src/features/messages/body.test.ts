import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { beginning, bytesOf, hexOf, isPacked, jsonOf, textOf, unpacked } from './body';

const encode = (text: string) => new TextEncoder().encode(text);

test('a body is text, or base64 when it says so', () => {
  expect([...bytesOf({ messageBody: '中' })]).toEqual([0xe4, 0xb8, 0xad]);
  expect([...bytesOf({ messageBody: 'AAECA/8=', messageBodyEncoding: 'base64' })]).toEqual([0, 1, 2, 3, 255]);
  expect([...bytesOf({ messageBody: 'AAECA/8=' })]).toHaveLength(8);
  expect(bytesOf({ messageBody: '' })).toHaveLength(0);
});

test('bytes that are not UTF-8 are no text, and nothing of text is lost', () => {
  expect(textOf(new Uint8Array([0xff, 0xfe]))).toBeNull();
  expect(textOf(encode('\uFEFFa'))).toBe('\uFEFFa');
});

test('only objects and lists are shown as JSON', () => {
  expect(jsonOf('{"a":[1]}')).toBe('{\n  "a": [\n    1\n  ]\n}');
  for (const text of ['', '1', 'null', '"a"', '{a:1}', 'hello']) {
    expect(jsonOf(text), text).toBeNull();
  }
});

test('hex has the place, sixteen bytes and their letters', () => {
  const lines = hexOf(encode('0123456789abcdef\n')).split('\n');
  expect(lines).toEqual([
    '00000000  30 31 32 33 34 35 36 37 38 39 61 62 63 64 65 66  |0123456789abcdef|',
    `00000010  0a${' '.repeat(45)}  |.|`,
  ]);
  expect(hexOf(new Uint8Array())).toBe('');
});

test('a packed body is unpacked, unless it is none or too large', async () => {
  const packed = new Uint8Array(gzipSync('x'.repeat(5000)));
  expect((await unpacked(packed))?.length).toBe(5000);
  expect(await unpacked(packed, 4999)).toBeNull();
  expect(await unpacked(encode('not packed'))).toBeNull();
  expect([isPacked({ sysFlag: 1 }), isPacked({ sysFlag: 0 }), isPacked({ sysFlag: 2 })]).toEqual([true, false, false]);
});

test('a long body is cut between letters', () => {
  expect(textOf(beginning(encode('中中中'), 4))).toBe('中');
  expect(textOf(beginning(encode('😀😀'), 7))).toBe('😀');
  expect(beginning(encode('abc'), 3)).toHaveLength(3);
  expect(beginning(new Uint8Array(10).fill(0x80), 8).length).toBeGreaterThanOrEqual(4);
});
