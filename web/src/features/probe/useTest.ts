import { useEffect, useRef, useState } from 'react';

export interface Test<Row> {
  rows: Row[];
  /** How many were asked for; `null` before the first test. */
  count: number | null;
  isRunning: boolean;
  error: unknown;
  run: (count: number, work: (tell: (more: Row[]) => void, signal: AbortSignal) => Promise<void>) => Promise<void>;
  stop: () => void;
}

/** A test that runs for a while: its rows as they come, and a way to stop it. It ends with the page. */
export function useTest<Row>(): Test<Row> {
  const [state, setState] = useState<Omit<Test<Row>, 'run' | 'stop'>>({
    rows: [],
    count: null,
    isRunning: false,
    error: null,
  });
  const running = useRef<AbortController | null>(null);
  const stop = () => running.current?.abort();
  useEffect(() => stop, []);
  const run: Test<Row>['run'] = async (count, work) => {
    const controller = new AbortController();
    running.current = controller;
    setState({ rows: [], count, isRunning: true, error: null });
    let error: unknown = null;
    try {
      await work((more) => setState((before) => ({ ...before, rows: [...before.rows, ...more] })), controller.signal);
    } catch (thrown) {
      error = thrown;
    }
    setState((before) => ({ ...before, isRunning: false, error }));
  };
  return { ...state, run, stop };
}
