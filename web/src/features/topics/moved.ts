/** What a reset of progress changes. */

interface Row {
  consumerOffset: number;
  rollbackOffset: number;
}

export interface Moved {
  /** Queues whose offset changes. */
  moved: number;
  /** Messages that are consumed and will not be. */
  again: number;
  /** Messages that are not consumed and will be. */
  skipped: number;
}

export function movedBy(rows: readonly Row[]): Moved {
  const diffs = rows.map(({ consumerOffset, rollbackOffset }) => consumerOffset - rollbackOffset);
  const sum = (wanted: number[]) => wanted.reduce((total, diff) => total + Math.abs(diff), 0);
  return {
    moved: diffs.filter((diff) => diff !== 0).length,
    again: sum(diffs.filter((diff) => diff > 0)),
    skipped: sum(diffs.filter((diff) => diff < 0)),
  };
}
