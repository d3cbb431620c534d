import { Button, Space } from 'antd';
import { Link } from 'react-router';
import { api, done } from '@/api/client';
import { useConfirm } from '@/components/Confirm';
import { useMessages } from '@/components/i18n';
import { useInstance } from '@/components/instance';
import { usePerson } from '@/components/session';
import { en } from './en';
import type { TopicRow } from './queries';
import { zh } from './zh';

export interface RowDialog {
  kind: 'route' | 'depth' | 'tps' | 'change' | 'reset';
  row: TopicRow;
}

interface Props {
  row: TopicRow;
  open: (dialog: RowDialog) => void;
  /** After the topic is gone. */
  removed: (topic: string) => Promise<unknown>;
}

/** What can be done with a topic; to look is everybody's. */
export function RowActions({ row, open, removed }: Props) {
  const t = useMessages({ zh, en });
  const { may } = usePerson();
  const { instance, path } = useInstance();
  const confirm = useConfirm();
  const name = row.topicName;
  const remove = async () => {
    await done(api.DELETE('/v1/instances/{instance}/topics/{topic}', { params: { path: { instance: instance.id, topic: name } } }));
    await removed(name);
  };
  const button = (kind: RowDialog['kind']) => (
    <Button type="link" size="small" style={{ padding: 0 }} onClick={() => open({ kind, row })}>
      {t(kind)}
    </Button>
  );
  return (
    <Space size={12}>
      <Link to={path('topics', name)}>{t('detail')}</Link>
      {button('route')}
      {button('depth')}
      {button('tps')}
      {may.manage && (
        <>
          {button('change')}
          {button('reset')}
          <Button
            type="link"
            size="small"
            danger
            style={{ padding: 0 }}
            onClick={() => confirm({ text: t('remove.text', { name }), typeName: name, run: remove, done: t('remove.done') })}
          >
            {t('remove')}
          </Button>
        </>
      )}
    </Space>
  );
}
