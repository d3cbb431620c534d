import { expect, test } from 'vitest';
import { fill } from './i18n';

type Catalogue = Record<string, string>;
const found = import.meta.glob<Record<string, Catalogue>>('../**/{zh,en}.ts', { eager: true });
const folders = new Set(Object.keys(found).map((file) => file.replace(/(zh|en)\.ts$/, '')));

const catalogue = (file: string, language: string): Catalogue => found[file + language + '.ts']?.[language] ?? {};
const holes = (text = '') => [...text.matchAll(/\{(\w+)\}/g)].map(([, name]) => name).sort();

test.each([...folders])('%s: both languages have the same messages with the same holes', (folder) => {
  const [zh, en] = [catalogue(folder, 'zh'), catalogue(folder, 'en')];
  expect(Object.keys(en).sort()).toEqual(Object.keys(zh).sort());
  for (const [key, text] of Object.entries(zh)) {
    expect(holes(en[key]), key).toEqual(holes(text));
    expect(en[key]?.trim(), key).not.toBe('');
  }
});

test('holes are filled, and what is missing is seen', () => {
  expect(fill('{a} of {b}', { a: 1, b: '{a}' })).toBe('1 of {a}');
  expect(fill('{a}', {})).toBe('{a}');
});
