import { useQuery } from '@tanstack/react-query';
import { useMemo } from 'react';
import { Outlet, useParams } from 'react-router';
import { instancesQuery } from '@/api/shared';
import { useMessages } from '@/components/i18n';
import { InstanceContext } from '@/components/instance';
import { QueryState } from '@/components/QueryState';
import { en } from './en';
import { NotFound } from './ErrorPage';
import { zh } from './zh';

/** Gives the pages below `/i/INSTANCE` their instance, by name or id. */
export function InstanceFrame() {
  const t = useMessages({ zh, en });
  const { instance: key = '' } = useParams();
  const query = useQuery(instancesQuery);
  const instance = query.data?.find(({ id, name }) => name === key || id === key);
  const chosen = useMemo(() => (instance === undefined ? null : { instance, key }), [instance, key]);
  return (
    <QueryState query={query}>
      {() =>
        chosen === null ? (
          <NotFound text={t('error.noInstance', { name: key })} />
        ) : (
          <InstanceContext value={chosen}>
            {/* Nothing of one instance stays on the page of another. */}
            <Outlet key={chosen.instance.id} />
          </InstanceContext>
        )
      }
    </QueryState>
  );
}
