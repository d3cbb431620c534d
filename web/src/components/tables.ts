import { useLayoutEffect, useRef, type RefObject } from 'react';

/**
 * What Ant's tables lack for those who use no mouse: what is around a table gets the ref.
 * Columns are measured with a hidden copy of their titles, the box for all rows among
 * them, and nobody may get into it; and what scrolls aside must take the keyboard.
 */
export function useTablePlace(): RefObject<HTMLElement | null> {
  const place = useRef<HTMLElement>(null);
  useLayoutEffect(() => {
    place.current?.querySelector('.ant-table-measure-row')?.setAttribute('inert', '');
    place.current?.querySelector('.ant-table-content')?.setAttribute('tabindex', '0');
  });
  return place;
}
