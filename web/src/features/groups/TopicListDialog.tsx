import { Modal, Typography } from 'antd';
import { api, call } from '@/api/client';
import { usePoll } from '@/api/poll';
import { en as commonEn } from '@/components/en';
import { GuideTable } from '@/components/GuideTable';
import { useMessages } from '@/components/i18n';
import { useInstance } from '@/components/instance';
import { useLocalPaging } from '@/components/paging';
import { zh as commonZh } from '@/components/zh';
import { en } from './en';
import { topicRows, type GroupRow } from './groups';
import { zh } from './zh';

/** 「主题列表」: what a group may consume, and what it has to. */
export default function TopicListDialog({ group, onClose }: { group: GroupRow; onClose: () => void }) {
  const t = useMessages({ zh, en });
  const common = useMessages({ zh: commonZh, en: commonEn });
  const { instance } = useInstance();
  const paging = useLocalPaging();
  const name = group.groupName;
  const query = usePoll({
    queryKey: ['instance', instance.id, 'lag', name],
    queryFn: () =>
      call(
        api.GET('/v1/instances/{instance}/groups/{group}/lag', { params: { path: { instance: instance.id, group: name } } }),
      ),
  });
  const limits = Object.keys(group.subscribeMap).length;
  const rows = query.data === undefined ? [] : topicRows(group, query.data.topics);
  const title = t('topics.of', { name });
  return (
    <Modal
      open
      title={title}
      width={760}
      footer={null}
      closable={{ 'aria-label': common('dialog.close') }}
      onCancel={onClose}
    >
      <Typography.Paragraph>
        {t('permissions')} {limits === 0 ? t('unlimited') : t('limited', { count: limits })}
      </Typography.Paragraph>
      <GuideTable
        name={title}
        query={query}
        rows={rows}
        rowKey={({ topic }) => topic}
        paging={paging}
        columns={[
          { key: 'topic', title: t('topic'), dataIndex: 'topic' },
          {
            key: 'tps',
            title: t('tps'),
            render: (_, { tps }) => (tps === null ? '-' : tps === 0 ? `0 (${t('all')})` : tps),
          },
          { key: 'lag', title: t('lag'), render: (_, { lag }) => lag ?? '-' },
          { key: 'inFlight', title: t('inFlight'), render: (_, { inFlight }) => inFlight ?? '-' },
        ]}
      />
    </Modal>
  );
}
