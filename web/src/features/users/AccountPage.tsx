import { useQuery } from '@tanstack/react-query';
import { Button, Descriptions, Space, Table, Typography } from 'antd';
import { lazy, Suspense, useEffect, useState } from 'react';
import { Link, useParams } from 'react-router';
import { topicsQuery } from '@/api/shared';
import { useMessages } from '@/components/i18n';
import { useInstance, useTimes } from '@/components/instance';
import { Page } from '@/components/Page';
import { QueryState } from '@/components/QueryState';
import { usePerson } from '@/components/session';
import { userQuery, type User } from './calls';
import { en } from './en';
import { useTenantName } from './fields';
import { topicRights, type Right } from './rules';
import { SecretText } from './SecretText';
import { zh } from './zh';

const RotateDialog = lazy(() => import('./RotateDialog'));
const SecretDialog = lazy(() => import('./SecretDialog'));
const ShowDialog = lazy(() => import('./ShowDialog'));

const MASKED = '••••••••••••';
/** A secret is not left on a screen. */
const SHOWN_MS = 60_000;

/** 「账户主属性详情」: keys, topics and the rotation of a user's secret. */
export default function AccountPage() {
  const t = useMessages({ zh, en });
  const { instance, path } = useInstance();
  const { user: accessKey = '' } = useParams();
  const query = useQuery(userQuery(instance, accessKey));
  return (
    <Page title={t('account')} extra={<Link to={path('users')}>{t('account.back')}</Link>}>
      <QueryState query={query}>
        {(user) => (
          <>
            <Account user={user} />
            <Rights topics={user.topics} />
          </>
        )}
      </QueryState>
    </Page>
  );
}

function Account({ user }: { user: User }) {
  const t = useMessages({ zh, en });
  const { instance } = useInstance();
  const { second } = useTimes();
  const { accessKey } = user;
  const tenant = useTenantName(instance.tenantId);
  const items = [
    [t('accessKey'), <SecretText key="text" text={accessKey} />],
    [t('secretKey'), <Secret key="secret" accessKey={accessKey} />],
    [t('previous'), <Previous key="previous" until={user.previousValidUntil} />],
    [t('tenant'), `${tenant} (${instance.tenantId})`],
    [t('cluster'), instance.name],
    [t('description'), user.description || '-'],
    [t('createdAt'), second(user.createdAt)],
    [t('ipAllow'), user.ipAllow.join(', ') || t('unlimited')],
  ] as const;
  return (
    <Descriptions
      bordered
      size="small"
      column={1}
      items={items.map(([label, children]) => ({ key: label, label, children }))}
    />
  );
}

function Previous({ until }: { until: number | null | undefined }) {
  const t = useMessages({ zh, en });
  const { second } = useTimes();
  const [now] = useState(Date.now);
  if (until == null) {
    return t('previous.none');
  }
  return t(until > now ? 'previous.valid' : 'previous.ended', { time: second(until) });
}

function Secret({ accessKey }: { accessKey: string }) {
  const t = useMessages({ zh, en });
  const { may } = usePerson();
  const [secret, setSecret] = useState<string | null>(null);
  const [rotated, setRotated] = useState<string | null>(null);
  const [dialog, setDialog] = useState<'show' | 'rotate' | null>(null);
  useEffect(() => {
    if (secret === null) {
      return;
    }
    const timer = setTimeout(() => setSecret(null), SHOWN_MS);
    return () => clearTimeout(timer);
  }, [secret]);
  if (!may.manage) {
    return t('viewer.secret');
  }
  const close = () => setDialog(null);
  const onRotated = (secretKey: string) => {
    setSecret(null);
    setRotated(secretKey);
  };
  return (
    <Space wrap>
      {secret === null ? <code>{MASKED}</code> : <SecretText text={secret} />}
      <Button size="small" onClick={() => (secret === null ? setDialog('show') : setSecret(null))}>
        {t(secret === null ? 'show' : 'hide')}
      </Button>
      <Button size="small" onClick={() => setDialog('rotate')}>
        {t('rotate')}
      </Button>
      <Suspense>
        {dialog === 'show' && <ShowDialog accessKey={accessKey} onShown={setSecret} onClose={close} />}
        {dialog === 'rotate' && <RotateDialog accessKey={accessKey} onRotated={onRotated} onClose={close} />}
        {rotated !== null && (
          <SecretDialog accessKey={accessKey} secretKey={rotated} onClose={() => setRotated(null)} />
        )}
      </Suspense>
    </Space>
  );
}

function Rights({ topics: bound }: { topics: readonly string[] }) {
  const t = useMessages({ zh, en });
  const { instance } = useInstance();
  const topics = useQuery(topicsQuery(instance)).data ?? [];
  const word = (may: boolean) => t(may ? 'yes' : 'no');
  return (
    <section aria-label={t('rights')}>
      <Typography.Title level={2} style={{ fontSize: '1.1rem' }}>
        {t('rights')}
      </Typography.Title>
      {bound.length === 0 ? (
        <p>{t('rights.all')}</p>
      ) : (
        <Table<Right>
          size="small"
          bordered
          pagination={false}
          scroll={{ x: 'max-content' }}
          rowKey="topic"
          dataSource={topicRights(bound, topics)}
          columns={[
            { key: 'topic', title: t('rights.topic'), dataIndex: 'topic' },
            { key: 'send', title: t('rights.send'), render: (_, { send }) => word(send) },
            { key: 'receive', title: t('rights.receive'), render: (_, { receive }) => word(receive) },
          ]}
        />
      )}
    </section>
  );
}
