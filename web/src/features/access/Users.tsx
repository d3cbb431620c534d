import { useQueryClient } from '@tanstack/react-query';
import { Button, Space } from 'antd';
import { lazy, Suspense, useState } from 'react';
import { api, call, done, everyItem } from '@/api/client';
import { usePoll } from '@/api/poll';
import { useConfirm } from '@/components/Confirm';
import { FilterBar } from '@/components/FilterBar';
import { GuideTable, type Columns } from '@/components/GuideTable';
import { useMessages } from '@/components/i18n';
import { usePerson } from '@/components/session';
import { TenantField } from '@/components/tenant';
import { en } from './en';
import type { Task, User } from './UserDialogs';
import { zh } from './zh';

const UserDialog = lazy(() => import('./UserDialogs'));

/** People who may log in to the console, with their roles. */
export function Users({ tenant }: { tenant: number }) {
  const t = useMessages({ zh, en });
  const { may } = usePerson();
  const queries = useQueryClient();
  const confirm = useConfirm();
  const [task, setTask] = useState<Task | null>(null);
  const path = { tenant: String(tenant) };
  const query = usePoll({
    queryKey: ['people', tenant],
    queryFn: () => everyItem((page) => call(api.GET('/v1/tenants/{tenant}/users', { params: { path, query: page } }))),
    every: 30_000,
  });
  const remove = ({ username }: User) =>
    confirm({
      text: t('remove.text', { name: username }),
      typeName: username,
      run: async () => {
        await done(api.DELETE('/v1/tenants/{tenant}/users/{username}', { params: { path: { ...path, username } } }));
        await queries.invalidateQueries({ queryKey: ['people', tenant] });
      },
      done: t('remove.done'),
    });
  const action = (text: string, { username }: User, run: () => void) => (
    <Button type="link" size="small" aria-label={`${text} ${username}`} onClick={run}>
      {text}
    </Button>
  );
  const columns: Columns<User> = [
    { key: 'username', title: t('username'), dataIndex: 'username' },
    { key: 'role', title: t('role'), render: (_, { role }) => t(`role.${role}`) },
    ...(may.manage
      ? [
          {
            key: 'actions',
            title: t('actions'),
            render: (_: unknown, user: User) => (
              <Space>
                {action(t('role.change'), user, () => setTask({ is: 'role', user }))}
                {action(t('reset'), user, () => setTask({ is: 'reset', user }))}
                {action(t('remove'), user, () => remove(user))}
              </Space>
            ),
          },
        ]
      : []),
  ];
  return (
    <>
      <FilterBar
        initial={{}}
        onSearch={() => void query.refetch()}
        actions={may.manage && <Button onClick={() => setTask({ is: 'create' })}>{t('user.create')}</Button>}
      >
        <TenantField required />
      </FilterBar>
      <GuideTable name={t('users')} columns={columns} rowKey={({ username }) => username} query={query} rows={query.data ?? []} />
      <Suspense>{task !== null && <UserDialog task={task} tenant={tenant} onClose={() => setTask(null)} />}</Suspense>
    </>
  );
}
