import { Button, Descriptions, Flex, Modal, type DescriptionsProps } from 'antd';
import type { Schemas } from '@/api/shared';
import { useMessages } from '../i18n';
import { useTimes } from '../instance';
import { BodyView } from './BodyView';
import { en } from './en';
import { zh } from './zh';

type Message = Schemas['MessageJson'];
type Status = 'TO_CONSUME' | 'CONSUMING' | 'CONSUMED';

interface Props {
  message: Message;
  /** Lines of the page's own, before the others. */
  more?: NonNullable<DescriptionsProps['items']>;
  onClose: () => void;
}

/** Everything about one message. Render it when it is to be open. */
export default function MessageDialog({ message, more = [], onClose }: Props) {
  const t = useMessages({ zh, en });
  const { second } = useTimes();
  const { origin } = message;
  const properties = Object.entries(message.properties);
  const items: [string, React.ReactNode][] = [
    ['MsgID', message.messageId],
    [t('topic'), message.topic],
    [t('tag'), message.tag],
    [t('keys'), message.keys.join(' ')],
    [t('group'), message.messageGroup],
    [t('broker'), message.broker],
    [t('queue'), message.queueId],
    [t('offset'), message.queueOffset],
    [t('origin'), origin == null ? null : `${origin.topic ?? ''} ${origin.broker}/${origin.queueId}/${origin.queueOffset}`],
    [t('attempt'), message.attempt],
    [t('born'), second(message.bornTimestamp)],
    [t('stored'), second(message.storeTimestamp)],
    [t('due'), message.deliverAt == null ? null : second(message.deliverAt)],
    [t('bornHost'), message.bornHost],
    [t('storeHost'), message.storeHost],
    [t('status'), message.status == null ? null : t(`status.${message.status as Status}`)],
    [
      t('properties'),
      properties.length === 0 ? null : properties.map(([name, value]) => <div key={name}>{`${name} = ${value}`}</div>),
    ],
  ];
  const shown = items.filter(([, value]) => value != null && value !== '');
  return (
    <Modal
      open
      width={800}
      title={t('title')}
      footer={
        <Button autoInsertSpace={false} onClick={onClose}>
          {t('close')}
        </Button>
      }
      closable={{ 'aria-label': t('close') }}
      onCancel={onClose}
    >
      <Flex vertical gap="middle">
        <Descriptions
          size="small"
          bordered
          column={{ xs: 1, md: 2 }}
          items={[...more, ...shown.map(([label, children]) => ({ key: label, label, children }))]}
        />
        <BodyView content={message} name={message.messageId} />
      </Flex>
    </Modal>
  );
}
