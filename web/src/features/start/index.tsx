import { useQuery } from '@tanstack/react-query';
import { Button, Form, Input, Select, Space, Typography } from 'antd';
import { useState } from 'react';
import { Link } from 'react-router';
import { api, call, everyItem } from '@/api/client';
import { groupsQuery, topicsQuery } from '@/api/shared';
import { Failure } from '@/components/Failure';
import { useMessages } from '@/components/i18n';
import { useInstance } from '@/components/instance';
import { Page } from '@/components/Page';
import { QueryState } from '@/components/QueryState';
import { usePerson } from '@/components/session';
import { en } from './en';
import { Examples } from './Examples';
import type { Place } from './snippets/place';
import { zh } from './zh';

/** `--grpc-listen` unless told otherwise. */
const GRPC_PORT = 8081;

/** The port of the gRPC address. The host is this page's: the service does not know by which address others reach it. */
async function grpcPort(): Promise<number> {
  const response = await fetch('/console/service.json');
  const said: unknown = response.ok ? await response.json() : null;
  const port = typeof said === 'object' && said !== null && 'grpcPort' in said ? said.grpcPort : null;
  return typeof port === 'number' ? port : GRPC_PORT;
}

const HTTP = /^https?:\/\/[^\s/]+$/;
const GRPC = /^(\[[0-9a-fA-F:]+\]|[^\s:/]+):\d{1,5}$/;

interface Values {
  http: string;
  grpc: string;
  accessKey?: string;
  topic?: string;
  group?: string;
}

/** What there is to choose from: messages of these topics need nothing special. */
function useChoices() {
  const { instance } = useInstance();
  const users = useQuery({
    queryKey: ['instance', instance.id, 'users'],
    queryFn: () =>
      everyItem((query) =>
        call(api.GET('/v1/instances/{instance}/users', { params: { path: { instance: instance.id }, query } })),
      ),
  });
  const topics = useQuery(topicsQuery(instance));
  const groups = useQuery(groupsQuery(instance));
  const port = useQuery({ queryKey: ['service', 'grpcPort'], queryFn: grpcPort, staleTime: Infinity });
  const all = [users, topics, groups, port];
  const isReady = users.data !== undefined && topics.data !== undefined && groups.data !== undefined && port.data !== undefined;
  return {
    data: isReady
      ? {
          users: users.data,
          topics: topics.data.filter(({ type, permission }) => (type === 'normal' || type === 'mixed') && permission === 'readWrite'),
          groups: groups.data.filter(({ ordered, enabled }) => !ordered && enabled),
          grpcPort: port.data,
        }
      : undefined,
    error: all.find(({ error }) => error !== null)?.error ?? null,
    isPending: all.some(({ isPending }) => isPending),
    isFetching: all.some(({ isFetching }) => isFetching),
    refetch: () => Promise.all(all.map((query) => query.refetch())),
  };
}

type Choices = NonNullable<ReturnType<typeof useChoices>['data']>;

/** The secret of one user, shown when an administrator asks, and forgotten with the page. */
function useSecret(accessKey: string | undefined) {
  const { instance } = useInstance();
  const [shown, show] = useState<{ of: string; secret: string } | null>(null);
  const [failure, fail] = useState<unknown>(null);
  const reveal = async () => {
    if (accessKey === undefined) {
      return;
    }
    fail(null);
    try {
      const params = { path: { instance: instance.id, access_key: accessKey }, query: { reveal: true } };
      const user = await call(api.GET('/v1/instances/{instance}/users/{access_key}', { params }));
      show({ of: accessKey, secret: user.secretKey ?? '' });
    } catch (thrown) {
      fail(thrown);
    }
  };
  return { secret: shown?.of === accessKey ? shown?.secret : undefined, failure, reveal, hide: () => show(null) };
}

function Secret({ secret, failure, reveal, hide }: ReturnType<typeof useSecret>) {
  const t = useMessages({ zh, en });
  const { may } = usePerson();
  if (!may.manage) {
    return <Typography.Paragraph>{t('secret.viewer')}</Typography.Paragraph>;
  }
  return (
    <Space orientation="vertical" style={{ marginBottom: 16 }}>
      <Space wrap>
        <Button onClick={() => (secret === undefined ? void reveal() : hide())}>
          {t(secret === undefined ? 'secret.show' : 'secret.hide')}
        </Button>
        <Typography.Text>{t('secret.note')}</Typography.Text>
      </Space>
      {failure !== null && <Failure error={failure} />}
    </Space>
  );
}

function Connect({ choices: { users, topics, groups, grpcPort } }: { choices: Choices }) {
  const t = useMessages({ zh, en });
  const { instance, path } = useInstance();
  const initial: Values = {
    http: location.origin,
    grpc: `${location.hostname}:${grpcPort}`,
    ...(users[0] && { accessKey: users[0].accessKey }),
    ...(topics[0] && { topic: topics[0].name }),
    ...(groups[0] && { group: groups[0].name }),
  };
  const [values, setValues] = useState(initial);
  const { http, grpc, accessKey, topic, group } = values;
  const secret = useSecret(accessKey);
  const place: Place = {
    // What is being typed is not in the programs before it is an address.
    http: HTTP.test(http) ? http : initial.http,
    grpc: GRPC.test(grpc) ? grpc : initial.grpc,
    instance: instance.name,
    accessKey: accessKey ?? 'ACCESS_KEY',
    secretKey: secret.secret ?? t('secret.hidden'),
    topic: topic ?? 'TOPIC',
    group: group ?? 'GROUP',
  };
  const names = (all: readonly { name: string }[]) => all.map(({ name }) => ({ value: name, label: name }));
  const missing = (text: string, to: string, page: string) => (
    <span>
      {text}: <Link to={path(to)}>{page}</Link>
    </span>
  );
  return (
    <>
      <Typography.Title level={2}>{t('step.what')}</Typography.Title>
      <Form<Values>
        layout="vertical"
        className="start-form"
        initialValues={initial}
        onValuesChange={(_, all) => setValues(all)}
      >
        <Form.Item name="http" label={t('http')} extra={t('http.hint')} rules={[{ pattern: HTTP, required: true, message: t('http.bad') }]}>
          <Input />
        </Form.Item>
        <Form.Item name="grpc" label={t('grpc')} extra={t('grpc.hint')} rules={[{ pattern: GRPC, required: true, message: t('grpc.bad') }]}>
          <Input />
        </Form.Item>
        <Form.Item name="accessKey" label={t('user')} extra={users.length === 0 && missing(t('user.missing'), 'users', t('manageUsers'))}>
          <Select options={users.map(({ accessKey: key }) => ({ value: key, label: key }))} />
        </Form.Item>
        <Form.Item name="topic" label={t('topic')} extra={topics.length === 0 && missing(t('topic.missing'), 'topics', t('manageTopics'))}>
          <Select showSearch options={names(topics)} />
        </Form.Item>
        <Form.Item name="group" label={t('group')} extra={groups.length === 0 && missing(t('group.missing'), 'groups', t('manageGroups'))}>
          <Select showSearch options={names(groups)} />
        </Form.Item>
      </Form>
      <Secret {...secret} />
      <Typography.Title level={2}>{t('step.how')}</Typography.Title>
      <Typography.Paragraph>{t('how.note')}</Typography.Paragraph>
      <Examples place={place} />
      <Typography.Title level={2}>{t('step.where')}</Typography.Title>
      <Typography.Paragraph>{t('where.note')}</Typography.Paragraph>
      <Space wrap size="large">
        <Link to={`${path('live')}${topic === undefined ? '' : `?topic=${encodeURIComponent(topic)}`}`}>{t('where.live')}</Link>
        <Link to={path('messages')}>{t('where.messages')}</Link>
        <Link to={path('groups')}>{t('where.groups')}</Link>
      </Space>
    </>
  );
}

/** 「快速接入」: programs that run as pasted, against this instance. */
export function Component() {
  const t = useMessages({ zh, en });
  const query = useChoices();
  return (
    <Page title={t('title')}>
      <QueryState query={query}>{(choices) => <Connect choices={choices} />}</QueryState>
    </Page>
  );
}
