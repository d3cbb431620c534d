import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Alert, Button, Form, Modal, Select } from 'antd';
import { lazy, Suspense, useState } from 'react';
import { usePoll } from '@/api/poll';
import { instancesQuery } from '@/api/shared';
import { useConfirm } from '@/components/Confirm';
import { CopyButton } from '@/components/CopyButton';
import { FilterBar } from '@/components/FilterBar';
import { GuideTable, type Columns } from '@/components/GuideTable';
import { useMessages } from '@/components/i18n';
import { useTimes } from '@/components/instance';
import { usePerson } from '@/components/session';
import { Status } from '@/components/Status';
import { TenantField } from '@/components/tenant';
import { en } from './en';
import { revokeToken, tokensOf, type Reach, type Token } from './tokens';
import { zh } from './zh';

const TokenDialog = lazy(() => import('./TokenDialog'));

/** A new token's text, which no answer shows again. */
function ShownOnce({ token, onClose }: { token: Token; onClose: () => void }) {
  const t = useMessages({ zh, en });
  const text = token.token ?? '';
  return (
    <Modal
      open
      title={t('token.shown', { name: token.name })}
      closable={false}
      keyboard={false}
      mask={{ closable: false }}
      footer={
        <Button type="primary" onClick={onClose}>
          {t('token.kept')}
        </Button>
      }
    >
      <Alert type="warning" showIcon title={t('token.once')} />
      <pre className="breaking" tabIndex={0} aria-label={t('token.copy')}>
        {text}
      </pre>
      <CopyButton name={t('token.copy')} text={() => text} />
    </Modal>
  );
}

/** Tokens of an instance, or for all instances of the tenant. */
export function Tokens({ tenant }: { tenant: number }) {
  const t = useMessages({ zh, en });
  const { may } = usePerson();
  const { minute } = useTimes();
  const queries = useQueryClient();
  const confirm = useConfirm();
  const [instance, setInstance] = useState('');
  const [isCreating, setCreating] = useState(false);
  const [made, setMade] = useState<Token | null>(null);
  const own = (useQuery(instancesQuery).data ?? []).filter(({ tenantId }) => tenantId === tenant);
  const reach: Reach = { tenant, instance: instance === '' ? null : instance };
  const key = ['tokens', tenant, instance];
  const query = usePoll({
    queryKey: key,
    // With its answer, so that who looks at it later sees the state of the same moment.
    queryFn: async () => ({ at: Date.now(), tokens: await tokensOf(reach) }),
    every: 30_000,
  });
  const again = () => queries.invalidateQueries({ queryKey: key });
  const revoke = ({ id, name }: Token) =>
    confirm({
      text: t('revoke.text', { name }),
      run: async () => {
        await revokeToken(reach, id);
        await again();
      },
      done: t('revoke.done'),
    });
  const names = (all: readonly string[]) => (all.length === 0 ? t('all') : all.join(', '));
  const columns: Columns<Token> = [
    { key: 'name', title: t('name'), dataIndex: 'name' },
    { key: 'id', title: t('id'), dataIndex: 'id' },
    { key: 'scopes', title: t('scopes'), render: (_, { scopes }) => scopes.map((scope) => t(`scope.${scope}`)).join(', ') },
    { key: 'topics', title: t('topics'), render: (_, { topics }) => <span className="breaking">{names(topics)}</span> },
    { key: 'groups', title: t('groups'), render: (_, { groups }) => <span className="breaking">{names(groups)}</span> },
    {
      key: 'state',
      title: t('state'),
      render: (_, { expiresAt }) => {
        const isValid = expiresAt > (query.data?.at ?? 0);
        return <Status is={isValid ? 'good' : 'plain'}>{t(isValid ? 'state.valid' : 'state.ended')}</Status>;
      },
    },
    { key: 'createdAt', title: t('createdAt'), render: (_, { createdAt }) => minute(createdAt) },
    { key: 'expiresAt', title: t('expiresAt'), render: (_, { expiresAt }) => minute(expiresAt) },
    {
      key: 'lastUsedAt',
      title: t('lastUsedAt'),
      render: (_, { lastUsedAt }) => (lastUsedAt == null ? t('never') : minute(lastUsedAt)),
    },
    ...(may.manage
      ? [
          {
            key: 'actions',
            title: t('actions'),
            render: (_: unknown, token: Token) => (
              <Button type="link" size="small" aria-label={`${t('revoke')} ${token.name}`} onClick={() => revoke(token)}>
                {t('revoke')}
              </Button>
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
        actions={may.manage && <Button onClick={() => setCreating(true)}>{t('token.create')}</Button>}
      >
        <TenantField required />
        <Form.Item label={t('reach')} htmlFor="token-reach">
          <Select
            id="token-reach"
            className="filter-field"
            aria-label={t('reach')}
            value={instance}
            options={[{ value: '', label: t('reach.tenant') }, ...own.map(({ id, name }) => ({ value: id, label: name }))]}
            onChange={setInstance}
          />
        </Form.Item>
      </FilterBar>
      <GuideTable name={t('tokens')} columns={columns} rowKey={({ id }) => id} query={query} rows={query.data?.tokens ?? []} />
      <Suspense>
        {isCreating && (
          <TokenDialog
            reach={reach}
            onClose={() => setCreating(false)}
            onMade={(token) => {
              setMade(token);
              void again();
            }}
          />
        )}
      </Suspense>
      {made !== null && <ShownOnce token={made} onClose={() => setMade(null)} />}
    </>
  );
}
