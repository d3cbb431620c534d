import { useQuery } from '@tanstack/react-query';
import { useMessages } from '@/components/i18n';
import { useInstance } from '@/components/instance';
import { QueryState } from '@/components/QueryState';
import { ViewDialog } from '@/components/ViewDialog';
import { en } from './en';
import { PERMISSIONS, topicQuery } from './queries';
import TopicDialog from './TopicDialog';
import { zh } from './zh';

/** 「编辑Topic」, with what the topic is now and not what the list had of it. */
export function ChangeDialog({ topic, onClose }: { topic: string; onClose: () => void }) {
  const t = useMessages({ zh, en });
  const { instance } = useInstance();
  const query = useQuery({ ...topicQuery(instance, topic), gcTime: 0 });
  if (query.data === undefined) {
    return (
      <ViewDialog title={t('form.change')} width={560} onClose={onClose}>
        <QueryState query={query}>{() => null}</QueryState>
      </ViewDialog>
    );
  }
  const { name, brokers, remark, queues, ordered, permission } = query.data;
  return (
    <TopicDialog changed={{ name, brokers, remark, queues, order: ordered, perm: PERMISSIONS[permission] }} onClose={onClose} />
  );
}
