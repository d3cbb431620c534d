import { createBrowserRouter, Navigate, type RouteObject } from 'react-router';
import { GUIDE, INSTANCES, MORE, OPERATION, type Area } from './areas';
import { ErrorPage, NotFound } from './ErrorPage';
import { Frame } from './Frame';
import { InstanceFrame } from './InstanceFrame';

/** A feature draws its own pages below its path. */
function route({ path, load }: Area): RouteObject {
  return { path: `${path}/*`, lazy: load, ErrorBoundary: ErrorPage };
}

export const router = createBrowserRouter(
  [
    {
      path: '/',
      Component: Frame,
      ErrorBoundary: ErrorPage,
      HydrateFallback: () => null,
      children: [
        { index: true, element: <Navigate to="/instances" replace /> },
        route(INSTANCES),
        ...OPERATION.map(route),
        {
          path: 'i/:instance',
          Component: InstanceFrame,
          children: [
            { index: true, element: <Navigate to="overview" replace /> },
            ...[...GUIDE, ...MORE].map(route),
            { path: '*', Component: NotFound },
          ],
        },
        { path: '*', Component: NotFound },
      ],
    },
  ],
  { basename: '/console' },
);
