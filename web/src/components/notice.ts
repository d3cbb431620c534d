import { createContext, useContext } from 'react';

export const NoticeContext = createContext<(text: string) => void>(() => undefined);

/** `notify('重置成功')`: a note of success that goes by itself. Failures stay where they happened. */
export function useNotice(): (text: string) => void {
  return useContext(NoticeContext);
}
