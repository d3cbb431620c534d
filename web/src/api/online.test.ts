import { expect, test } from 'vitest';
import { connectionsOf, inconsistentGroups, isOnBroker, languageText, PRODUCERS, type Client } from './online';
import type { Schemas } from './shared';

function client(instanceName: string, topics: string[], group?: string): Client {
  const base = { instanceName, topics, protocol: 'http', language: '', version: '', clientAddr: '', firstSeen: 0, lastSeen: 0 };
  return group === undefined ? { ...base, kind: 'producer' } : { ...base, kind: 'consumer', group };
}

const shown = (clients: Client[]) =>
  connectionsOf(clients).map(({ group, topic, clients: own }) => [group, topic, own.map((one) => one.instanceName)]);

test('a row is a group on a topic, with the clients that use it', () => {
  expect(shown([])).toEqual([]);
  expect(shown([client('2', ['b', 'a'], 'g'), client('1', ['b'], 'g'), client('3', ['a'], 'f')])).toEqual([
    ['f', 'a', ['3']],
    ['g', 'a', ['2']],
    ['g', 'b', ['2', '1']],
  ]);
});

test('producers are of the one group that there is', () => {
  expect(shown([client('p', ['a']), client('q', ['a'])])).toEqual([[PRODUCERS, 'a', ['p', 'q']]]);
});

test('members that want different things make a group inconsistent, whatever the order', () => {
  const wanting = (group: string, ...wants: [string, string][]) => ({
    ...client('x', ['a'], group),
    subscriptions: wants.map(([topic, expression]) => ({ topic, expression, filterType: 'TAG' })),
  });
  const same = [wanting('g', ['a', '*'], ['b', 'x']), wanting('g', ['b', 'x'], ['a', '*']), client('p', ['a'])];
  expect([...inconsistentGroups(same)]).toEqual([]);
  expect([...inconsistentGroups([...same, wanting('f', ['a', '*']), wanting('f', ['a', 'x'])])]).toEqual(['f']);
});

test('a topic is on its brokers, and one that is in no list on all', () => {
  const topics = [{ name: 'orders', brokers: ['a'] } as Schemas['TopicJson']];
  expect(isOnBroker(topics, 'orders', 'a')).toBe(true);
  expect(isOnBroker(topics, 'orders', 'b')).toBe(false);
  expect(isOnBroker(topics, 'orders', '')).toBe(true);
  expect(isOnBroker(topics, '%RETRY%g', 'b')).toBe(true);
});

test('a language is in capitals', () => {
  expect([languageText('java'), languageText('')]).toEqual(['JAVA', 'OTHER']);
});
