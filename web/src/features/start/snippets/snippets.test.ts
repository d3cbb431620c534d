import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';
import * as grpc from './grpc';
import * as http from './http';
import { quoted, shell, type Place } from './place';

const PLACE: Place = {
  http: 'https://mq.example:8443',
  grpc: 'mq.example:8081',
  instance: 'demo',
  accessKey: 'reader',
  secretKey: `a'b"c$d\\e f`,
  topic: 'orders-2',
  group: 'workers-2',
};
const all = [...Object.values(http), ...Object.values(grpc)].map((make) => make(PLACE));

test('whatever is in a secret, a shell and a program read it as it is', () => {
  for (const text of [PLACE.secretKey, 'plain', '', '$(id)', '==+/']) {
    const echoed = execFileSync('sh', ['-c', `printf %s ${shell(text) === '' ? "''" : shell(text)}`]).toString();
    expect(echoed).toBe(text);
    expect(JSON.parse(quoted(text))).toBe(text);
  }
});

test.each(all.map((snippet) => [snippet.key, snippet] as const))('%s names the place and nothing else', (key, { code }) => {
  const isHttp = ['curl', 'cli'].includes(key) || key.startsWith('mq-http');
  expect(code).toContain(isHttp ? PLACE.http : PLACE.grpc);
  for (const name of [PLACE.topic, PLACE.group, PLACE.accessKey]) {
    expect(code).toContain(name);
  }
  expect(code).not.toMatch(/127\.0\.0\.1|localhost|undefined|demo-secret/);
  expect(code.includes(quoted(PLACE.secretKey)) || code.includes(`'\\''`)).toBe(true);
});

test('keys are told apart', () => {
  expect(new Set(all.map(({ key }) => key)).size).toBe(all.length);
});
