import { Button } from 'antd';
import type { Columns } from '@/components/GuideTable';
import type { Translate } from '@/components/i18n';
import type { MessageRow } from './body';
import type { zh } from './zh';

type T = Translate<typeof zh>;

/** What a group did with a message; without a group nobody was asked. */
export function statusText(status: string | null | undefined, t: T): string {
  switch (status) {
    case 'TO_CONSUME':
    case 'CONSUMED':
    case 'CONSUMING':
      return t(`status.${status}`);
    default:
      return status ?? '-';
  }
}

/** Long properties are seen whole in the dialog. */
const PROPERTIES_WIDTH = 260;

interface Context {
  second: (ms: number) => string;
  view: (message: MessageRow) => void;
}

export function columnsOf(t: T, { second, view }: Context): Columns<MessageRow> {
  return [
    { key: 'id', title: t('column.id'), render: (_, { msgId }) => <code>{msgId}</code> },
    { key: 'topic', title: t('column.topic'), dataIndex: 'topic' },
    { key: 'tag', title: t('column.tag'), render: (_, { properties }) => properties['TAGS'] ?? '-' },
    { key: 'key', title: t('column.key'), render: (_, { properties }) => properties['KEYS'] ?? '-' },
    { key: 'queue', title: t('column.queue'), dataIndex: 'queueId' },
    { key: 'offset', title: t('column.offset'), dataIndex: 'queueOffset' },
    { key: 'position', title: t('column.position'), dataIndex: 'commitLogOffset' },
    { key: 'born', title: t('column.born'), render: (_, { bornTimestamp }) => second(bornTimestamp) },
    { key: 'stored', title: t('column.stored'), render: (_, { storeTimestamp }) => second(storeTimestamp) },
    { key: 'client', title: t('column.client'), dataIndex: 'bornHost' },
    { key: 'server', title: t('column.server'), dataIndex: 'storeHost' },
    {
      key: 'properties',
      title: t('column.properties'),
      render: (_, { properties }) => {
        const text = JSON.stringify(properties);
        return (
          <div className="cut-text" style={{ width: PROPERTIES_WIDTH }} title={text}>
            {text}
          </div>
        );
      },
    },
    { key: 'path', title: t('column.path'), dataIndex: 'messageBodyPath' },
    { key: 'status', title: t('column.status'), render: (_, { status }) => statusText(status, t) },
    {
      key: 'view',
      title: t('column.view'),
      fixed: 'end',
      render: (_, message) => (
        <Button type="link" size="small" aria-label={t('view.of', { id: message.msgId })} onClick={() => view(message)}>
          {t('view')}
        </Button>
      ),
    },
  ];
}
