import { useQuery } from '@tanstack/react-query';
import { Checkbox, Flex, Input, InputNumber, Modal, Table, Typography } from 'antd';
import { useState } from 'react';
import { topicsQuery } from '@/api/shared';
import { en as commonEn } from '@/components/en';
import { useMessages } from '@/components/i18n';
import { useInstance } from '@/components/instance';
import { QueryState } from '@/components/QueryState';
import { useTablePlace } from '@/components/tables';
import { zh as commonZh } from '@/components/zh';
import { en } from './en';
import { isTps, type Permissions } from './groups';
import { zh } from './zh';

interface Props {
  value: Permissions;
  onSave: (value: Permissions) => void;
  onClose: () => void;
}

/** 「编辑主题」: topics that a group may consume, each with its limit. */
export default function TopicsDialog({ value, onSave, onClose }: Props) {
  const t = useMessages({ zh, en });
  const common = useMessages({ zh: commonZh, en: commonEn });
  const { instance } = useInstance();
  const query = useQuery(topicsQuery(instance));
  const place = useTablePlace();
  const [part, setPart] = useState('');
  // What is ticked; a limit that cannot be sent is `null` until it is put right.
  const [ticked, setTicked] = useState(new Map<string, number | null>(Object.entries(value).map(([topic, { tps }]) => [topic, tps])));
  const tick = (topic: string, tps: number | null | undefined) => {
    const next = new Map(ticked);
    if (tps === undefined) {
      next.delete(topic);
    } else {
      next.set(topic, tps);
    }
    setTicked(next);
  };
  const faulty = [...ticked].filter(([, tps]) => !isTps(tps)).map(([topic]) => topic);
  const save = () => {
    onSave(Object.fromEntries([...ticked].map(([topic, tps]) => [topic, { tps: tps ?? 0 }])));
    onClose();
  };
  return (
    <Modal
      open
      title={t('edit.title')}
      width={640}
      okText={common('dialog.save')}
      cancelText={common('dialog.cancel')}
      okButtonProps={{ autoInsertSpace: false, disabled: faulty.length > 0 }}
      cancelButtonProps={{ autoInsertSpace: false }}
      closable={{ 'aria-label': common('dialog.close') }}
      mask={{ closable: false }}
      onOk={save}
      onCancel={onClose}
    >
      <Flex vertical gap="small">
        <Input
          allowClear
          autoFocus
          aria-label={t('edit.search')}
          placeholder={t('edit.search')}
          value={part}
          onChange={(event) => setPart(event.target.value)}
        />
        <Typography.Text>{t('edit.note')}</Typography.Text>
        <QueryState query={query}>
          {(topics) => {
            // One that is gone must not be lost without a word.
            const names = [...new Set([...topics.map(({ name }) => name), ...Object.keys(value)])].sort();
            const shown = names.filter((name) => name.toLowerCase().includes(part.trim().toLowerCase()));
            return (
              <section ref={place} aria-label={t('edit.title')}>
                <Table
                  size="small"
                  bordered
                  rowKey="name"
                  dataSource={shown.map((name) => ({ name }))}
                  pagination={shown.length > 10 ? { pageSize: 10, showSizeChanger: false, size: 'small' } : false}
                  scroll={{ x: 'max-content' }}
                  locale={{ emptyText: common('table.empty') }}
                  columns={[
                    {
                      key: 'ticked',
                      title: '',
                      width: 40,
                      render: (_, { name }) => (
                        <Checkbox
                          aria-label={name}
                          checked={ticked.has(name)}
                          onChange={({ target }) => tick(name, target.checked ? (value[name]?.tps ?? 0) : undefined)}
                        />
                      ),
                    },
                    { key: 'name', title: t('topic'), dataIndex: 'name' },
                    {
                      key: 'tps',
                      title: t('tps'),
                      render: (_, { name }) => (
                        <>
                          <InputNumber<number>
                            aria-label={t('tps.of', { topic: name })}
                            aria-invalid={faulty.includes(name)}
                            status={faulty.includes(name) ? 'error' : ''}
                            disabled={!ticked.has(name)}
                            value={ticked.get(name) ?? (ticked.has(name) ? null : 0)}
                            onChange={(tps) => tick(name, tps)}
                          />
                          {faulty.includes(name) && (
                            <div role="alert">
                              <Typography.Text type="danger">{t('tps.bad')}</Typography.Text>
                            </div>
                          )}
                        </>
                      ),
                    },
                  ]}
                />
              </section>
            );
          }}
        </QueryState>
      </Flex>
    </Modal>
  );
}
