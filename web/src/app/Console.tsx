import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { Spin } from 'antd';
import { lazy, Suspense, useEffect } from 'react';
import { RouterProvider } from 'react-router';
import { queryRetry } from '@/api/poll';
import { resume, watchSession, currentSession } from '@/api/session';
import { ConfirmProvider } from '@/components/Confirm';
import { useSession } from '@/components/session';
import { Preferences } from './preferences';
import { router } from './routes';

const queries = new QueryClient({
  defaultOptions: { queries: { ...queryRetry, refetchOnWindowFocus: false }, mutations: { retry: false } },
});

// What one person may see is not kept for the next.
watchSession(() => {
  if (currentSession().state !== 'in') {
    queries.clear();
  }
});

const Login = lazy(() => import('@/features/login'));

/** The whole console: preferences around, then the login or the frame. */
export function Console() {
  return (
    <Preferences>
      <QueryClientProvider client={queries}>
        <ConfirmProvider>
          <Gate />
        </ConfirmProvider>
      </QueryClientProvider>
    </Preferences>
  );
}

/** The address stays what it is while somebody logs in. */
function Gate() {
  const session = useSession();
  useEffect(() => {
    void resume();
  }, []);
  switch (session.state) {
    case 'unknown':
      return <Spin fullscreen />;
    case 'out':
      return (
        <Suspense fallback={<Spin fullscreen />}>
          <Login />
        </Suspense>
      );
    case 'in':
      return <RouterProvider router={router} />;
  }
}
