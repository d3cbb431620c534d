import { useSyncExternalStore } from 'react';
import { currentSession, rightsOf, watchSession, type Person, type Session } from '@/api/session';

export function useSession(): Session {
  return useSyncExternalStore(watchSession, currentSession);
}

/** Who is logged in, and what their role lets menus and buttons show. */
export function usePerson(): { person: Person; may: ReturnType<typeof rightsOf> } {
  const session = useSession();
  if (session.state !== 'in') {
    throw new Error('nobody is logged in');
  }
  return { person: session.person, may: rightsOf(session.person) };
}
