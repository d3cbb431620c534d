import { describe, expect, it } from 'vitest';
import { isRemark, isTps, matching, topicRows, wantedOf, type GroupRow } from './groups';

function row(groupName: string, brokerName: string, subscribeMap: GroupRow['subscribeMap'] = {}): GroupRow {
  return {
    groupName,
    brokerName,
    subscribeMap,
    allowdAllTopics: false,
    brokerId: 0,
    consumeBroadcastEnable: true,
    consumeEnable: true,
    consumeFromMinEnable: true,
    firstConsumeMechanism: 1,
    notifyConsumerIdsChangedEnable: true,
    pullMechanism: 1,
    retryMaxTimes: 16,
    retryQueueNums: 1,
    type: 0,
    whichBrokerWhenConsumeSlowly: 1,
  };
}

const rows = [row('Orders', 'a'), row('Orders', 'b'), row('ledger', 'a')];

describe('groups', () => {
  it('are found by a part of the name, whatever its case, and by broker', () => {
    expect(matching(rows, { broker: '', group: '' })).toHaveLength(3);
    expect(matching(rows, { broker: '', group: ' oRD ' })).toEqual([rows[0], rows[1]]);
    expect(matching(rows, { broker: 'a', group: '' })).toEqual([rows[0], rows[2]]);
    expect(matching(rows, { broker: 'A', group: '' })).toEqual([]);
    expect(matching(rows, { broker: '', group: '.*' })).toEqual([]);
  });

  it('are exported as ticked, row by row, else all of the chosen broker', () => {
    expect(wantedOf([], { broker: '', group: 'x' })).toEqual({ names: [], brokers: [] });
    expect(wantedOf([], { broker: 'b', group: '' })).toEqual({ names: [], brokers: ['b'] });
    const ticked = [rows[1], rows[2]].filter((found) => found !== undefined);
    expect(wantedOf(ticked, { broker: '', group: '' })).toEqual({ names: ['Orders@b', 'ledger@a'], brokers: [] });
  });

  it('show what they may consume and what they do, each once', () => {
    const consumed = [{ topic: 'sold', lag: 3, inFlight: 1, queues: [] }];
    const limited = row('g', 'a', { paid: { tps: 5 }, sold: { tps: 0 } });
    expect(topicRows(limited, consumed)).toEqual([
      { topic: 'paid', tps: 5, lag: null, inFlight: null },
      { topic: 'sold', tps: 0, lag: 3, inFlight: 1 },
    ]);
    expect(topicRows(row('g', 'a'), consumed)).toEqual([{ topic: 'sold', tps: 0, lag: 3, inFlight: 1 }]);
    const retry = [{ topic: '%RETRY%g', lag: 0, inFlight: 0, queues: [] }];
    expect(topicRows(row('g', 'a', { paid: { tps: 5 } }), retry)[0]).toMatchObject({ topic: '%RETRY%g', tps: null });
  });
});

describe('limits', () => {
  it.each([0, 1, 5000, Number.MAX_SAFE_INTEGER])('%s is one', (tps) => expect(isTps(tps)).toBe(true));
  it.each([null, undefined, -1, 1.5, NaN, 2 ** 53])('%s is none', (tps) => expect(isTps(tps)).toBe(false));

  it('count a remark in bytes', () => {
    expect(isRemark('备'.repeat(170))).toBe(true);
    expect(isRemark('备'.repeat(171))).toBe(false);
    expect(isRemark(undefined)).toBe(true);
  });
});
