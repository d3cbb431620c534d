import { Button } from 'antd';
import { useNavigate } from 'react-router';
import type { Instance } from '@/api/shared';
import { BatchActions } from '@/components/batch/BatchActions';
import { useMessages } from '@/components/i18n';
import { useInstance } from '@/components/instance';
import { usePerson } from '@/components/session';
import { en } from './en';
import { zh } from './zh';

interface Props {
  instance: Instance;
  /** Names of the brokers to export and to create on, from the page's filter; none is 「全部」. */
  brokers: readonly string[];
  /** Names of the ticked topics. */
  selected: readonly string[];
  /** Topics were made. */
  onDone: () => void;
}

/** Batch actions of the topics page (SEED_SPEC 6.5): files of topics, and the way to the probe page. */
export function TopicBatchActions({ instance, brokers, selected, onDone }: Props) {
  const t = useMessages({ zh, en });
  const { may } = usePerson();
  const { path } = useInstance();
  const navigate = useNavigate();
  const [topic] = selected;
  const probe = path('probe') + (topic === undefined ? '' : `?topic=${encodeURIComponent(topic)}`);
  return (
    <BatchActions
      kind="topics"
      instance={instance}
      brokers={brokers}
      wanted={{ names: selected, brokers }}
      templateLabel={t('template')}
      onDone={onDone}
    >
      {may.manage && (
        <Button autoInsertSpace={false} onClick={() => void navigate(probe)}>
          {t('probe')}
        </Button>
      )}
    </BatchActions>
  );
}
