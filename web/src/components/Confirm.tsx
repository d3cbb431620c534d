import { createContext, lazy, Suspense, useContext, useState, type ReactNode } from 'react';

const ConfirmDialog = lazy(() => import('./ConfirmDialog'));

/** Something that a person must confirm before it is done. */
export interface Question {
  /** 「提示」 unless told. */
  title?: string;
  text: ReactNode;
  /** For what cannot be undone: the name must be typed. */
  typeName?: string;
  /** Does it; while it runs the dialog stays, when it fails the dialog shows why. A text is the note afterwards. */
  run: () => Promise<unknown>;
  /** The note afterwards; 「操作成功」 unless told. */
  done?: string;
}

const ConfirmContext = createContext<(question: Question) => void>(() => undefined);

/** `confirm({ text, typeName, run })` before anything destructive. */
export function useConfirm(): (question: Question) => void {
  return useContext(ConfirmContext);
}

export function ConfirmProvider({ children }: { children: ReactNode }) {
  const [question, ask] = useState<Question | null>(null);
  return (
    <ConfirmContext value={ask}>
      {children}
      <Suspense>{question !== null && <ConfirmDialog question={question} onClose={() => ask(null)} />}</Suspense>
    </ConfirmContext>
  );
}
