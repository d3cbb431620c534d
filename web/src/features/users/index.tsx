import { useQueryClient } from '@tanstack/react-query';
import { Button, Space } from 'antd';
import { lazy, Suspense, useState } from 'react';
import { Link, Route, Routes } from 'react-router';
import { usePoll } from '@/api/poll';
import { useConfirm } from '@/components/Confirm';
import { FilterBar, InstanceField, TextField } from '@/components/FilterBar';
import { GuideTable, type Columns } from '@/components/GuideTable';
import { useMessages, type Translate } from '@/components/i18n';
import { useInstance, useTimes } from '@/components/instance';
import { Page } from '@/components/Page';
import { usePerson } from '@/components/session';
import { removeUser, usersKey, usersPoll, type User } from './calls';
import { en } from './en';
import { useTenantName } from './fields';
import { zh } from './zh';

const AccountPage = lazy(() => import('./AccountPage'));
const ChangeDialog = lazy(() => import('./ChangeDialog'));
const CreateDialog = lazy(() => import('./CreateDialog'));
const SecretDialog = lazy(() => import('./SecretDialog'));

const ALL = { user: '' };
/** Users change when people change them. */
const EVERY_MS = 30_000;

interface Context {
  tenant: string;
  tenantId: number;
  cluster: string;
  second: (ms: number) => string;
  mayManage: boolean;
  account: (user: User) => string;
  change: (user: User) => void;
  remove: (user: User) => void;
}

function columnsOf(t: Translate<typeof zh>, context: Context): Columns<User> {
  return [
    { key: 'tenant', title: t('tenant'), render: () => context.tenant },
    { key: 'tenantId', title: t('tenantId'), render: () => context.tenantId },
    { key: 'cluster', title: t('cluster'), render: () => context.cluster },
    { key: 'user', title: t('user'), dataIndex: 'accessKey' },
    { key: 'description', title: t('description'), render: (_, { description }) => description || '-' },
    { key: 'createdAt', title: t('createdAt'), render: (_, { createdAt }) => context.second(createdAt) },
    {
      key: 'actions',
      title: t('actions'),
      fixed: 'end',
      render: (_, user) => (
        <Space>
          {context.mayManage && (
            <>
              <Button type="link" size="small" onClick={() => context.change(user)}>
                {t('change')}
              </Button>
              <Button type="link" size="small" danger onClick={() => context.remove(user)}>
                {t('remove')}
              </Button>
            </>
          )}
          <Link to={context.account(user)}>{t('account')}</Link>
        </Space>
      ),
    },
  ];
}

/** 「应用用户管理」 (SEED_SPEC 6.4). */
function UsersPage() {
  const t = useMessages({ zh, en });
  const { instance, path } = useInstance();
  const { may } = usePerson();
  const { second } = useTimes();
  const queries = useQueryClient();
  const confirm = useConfirm();
  const [filter, setFilter] = useState(ALL);
  const [changed, setChanged] = useState<User | null>(null);
  const [isCreating, setCreating] = useState(false);
  const [made, setMade] = useState<User | null>(null);
  const tenant = useTenantName(instance.tenantId);
  const query = usePoll({ ...usersPoll(instance), every: EVERY_MS });
  const wanted = (query.data ?? []).filter(({ accessKey }) => accessKey.includes(filter.user.trim()));
  const remove = ({ accessKey }: User) =>
    confirm({
      text: t('remove.text', { name: accessKey }),
      typeName: accessKey,
      run: async () => {
        await removeUser(instance, accessKey);
        await queries.invalidateQueries({ queryKey: usersKey(instance) });
      },
      done: t('remove.done'),
    });
  const search = (values: typeof ALL) => {
    setFilter(values);
    void query.refetch();
  };
  const columns = columnsOf(t, {
    tenant,
    tenantId: instance.tenantId,
    cluster: instance.name,
    second,
    mayManage: may.manage,
    account: ({ accessKey }) => path('users', accessKey),
    change: setChanged,
    remove,
  });
  return (
    <Page title={t('title')}>
      <FilterBar
        initial={ALL}
        onSearch={search}
        actions={may.manage && <Button onClick={() => setCreating(true)}>{t('create')}</Button>}
      >
        <InstanceField page="users" />
        <TextField name="user" label={t('filter.user')} />
      </FilterBar>
      <GuideTable name={t('title')} columns={columns} rowKey={({ accessKey }) => accessKey} query={query} rows={wanted} />
      <Suspense>
        {isCreating && <CreateDialog onClose={() => setCreating(false)} onMade={setMade} />}
        {changed !== null && <ChangeDialog user={changed} onClose={() => setChanged(null)} />}
        {made !== null && (
          <SecretDialog accessKey={made.accessKey} secretKey={made.secretKey ?? ''} onClose={() => setMade(null)} />
        )}
      </Suspense>
    </Page>
  );
}

export function Component() {
  return (
    <Suspense>
      <Routes>
        <Route index element={<UsersPage />} />
        <Route path=":user" element={<AccountPage />} />
      </Routes>
    </Suspense>
  );
}
