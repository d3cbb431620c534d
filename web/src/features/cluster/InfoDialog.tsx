import { Table } from 'antd';
import { useMessages } from '@/components/i18n';
import { useTimes } from '@/components/instance';
import { ViewDialog } from '@/components/ViewDialog';
import { en } from './en';
import { infoRows, type Broker, type InfoRow } from './runtime';
import { zh } from './zh';

/** 「信息」 of a broker, which goes on being of now. */
export default function InfoDialog({ broker, onClose }: { broker: Broker; onClose: () => void }) {
  const t = useMessages({ zh, en });
  const { second } = useTimes();
  return (
    <ViewDialog title={t('info.title', { broker: broker.name })} width={860} onClose={onClose}>
      <Table<InfoRow>
        size="small"
        bordered
        pagination={false}
        rowKey="name"
        dataSource={infoRows(broker.runtime, second)}
        columns={[
          { key: 'name', title: t('key'), dataIndex: 'name', width: '40%' },
          { key: 'value', title: t('value'), dataIndex: 'value' },
        ]}
      />
    </ViewDialog>
  );
}
