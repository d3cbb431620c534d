import { Button, Typography } from 'antd';
import { useState } from 'react';
import { GuideTable, type Columns } from '@/components/GuideTable';
import { useMessages } from '@/components/i18n';
import { useTimes } from '@/components/instance';
import { useLocalPaging } from '@/components/paging';
import type { QueryLike } from '@/components/QueryState';
import { ViewDialog } from '@/components/ViewDialog';
import { en } from './en';
import type { MessageRow } from './queries';
import { statusText } from './words';
import { zh } from './zh';

interface Props {
  name: string;
  query: QueryLike<unknown>;
  rows: readonly MessageRow[];
}

/** Messages with the columns of SEED_SPEC 6.9, and 「查看」 for the body. */
export function MessageTable({ name, query, rows }: Props) {
  const t = useMessages({ zh, en });
  const { second } = useTimes();
  const paging = useLocalPaging();
  const [shown, show] = useState<MessageRow | null>(null);
  const columns: Columns<MessageRow> = [
    { key: 'id', title: t('message.id'), dataIndex: 'msgId' },
    { key: 'topic', title: t('message.topic'), dataIndex: 'topic' },
    { key: 'tag', title: t('message.tag'), render: (_, { properties }) => properties['TAGS'] ?? '-' },
    { key: 'keys', title: t('message.keys'), render: (_, { properties }) => properties['KEYS'] ?? '-' },
    { key: 'queue', title: t('message.queue'), dataIndex: 'queueId' },
    { key: 'offset', title: t('message.offset'), dataIndex: 'queueOffset' },
    { key: 'position', title: t('message.position'), dataIndex: 'commitLogOffset' },
    { key: 'born', title: t('message.born'), render: (_, { bornTimestamp }) => second(bornTimestamp) },
    { key: 'stored', title: t('message.stored'), render: (_, { storeTimestamp }) => second(storeTimestamp) },
    { key: 'client', title: t('message.client'), dataIndex: 'bornHost' },
    { key: 'server', title: t('message.server'), dataIndex: 'storeHost' },
    { key: 'properties', title: t('message.properties'), render: (_, { properties }) => JSON.stringify(properties) },
    { key: 'path', title: t('message.path'), dataIndex: 'messageBodyPath' },
    { key: 'status', title: t('message.status'), render: (_, { status }) => statusText(status, t) },
    {
      key: 'actions',
      title: t('message.actions'),
      fixed: 'end',
      render: (_, message) => (
        <Button type="link" size="small" style={{ padding: 0 }} onClick={() => show(message)}>
          {t('message.show')}
        </Button>
      ),
    },
  ];
  return (
    <>
      <GuideTable name={name} columns={columns} rowKey={({ msgId }) => msgId} query={query} rows={rows} paging={paging} />
      {shown !== null && <BodyDialog message={shown} onClose={() => show(null)} />}
    </>
  );
}

function BodyDialog({ message, onClose }: { message: MessageRow; onClose: () => void }) {
  const t = useMessages({ zh, en });
  const { messageBody, messageBodyEncoding } = message;
  return (
    <ViewDialog title={`${t('message.body')} ${message.msgId}`} width={720} onClose={onClose}>
      {messageBodyEncoding === 'base64' && <p>{t('message.base64')}</p>}
      {messageBody === '' ? (
        <p>{t('message.empty')}</p>
      ) : (
        <Typography.Paragraph copyable={{ text: messageBody }}>
          <pre style={{ maxHeight: '50vh', overflow: 'auto', whiteSpace: 'pre-wrap', overflowWrap: 'anywhere' }} tabIndex={0} aria-label={t('message.body')}>
            {messageBody}
          </pre>
        </Typography.Paragraph>
      )}
    </ViewDialog>
  );
}
