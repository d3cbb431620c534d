import { useQueryClient } from '@tanstack/react-query';
import { Button, Space } from 'antd';
import { lazy, Suspense, useState } from 'react';
import { api, call, done } from '@/api/client';
import { groupsQuery } from '@/api/shared';
import { useConfirm } from '@/components/Confirm';
import { useMessages } from '@/components/i18n';
import { useInstance } from '@/components/instance';
import { usePerson } from '@/components/session';
import { en } from './en';
import type { GroupRow } from './groups';
import { zh } from './zh';

const ChangeDialog = lazy(() => import('./ChangeDialog'));
const TopicListDialog = lazy(() => import('./TopicListDialog'));

/** 「主题列表」「开启消费」「关闭消费」「修改」「删除」 of a row. */
export function RowActions({ group }: { group: GroupRow }) {
  const t = useMessages({ zh, en });
  const { may } = usePerson();
  const { instance } = useInstance();
  const queries = useQueryClient();
  const confirm = useConfirm();
  const [dialog, setDialog] = useState<'topics' | 'change' | null>(null);
  const name = group.groupName;
  const params = { path: { instance: instance.id, group: name } };
  const again = () => queries.invalidateQueries({ queryKey: groupsQuery(instance).queryKey });
  const become = (enabled: boolean) => async () => {
    await call(api.PATCH('/v1/instances/{instance}/groups/{group}', { params, body: { enabled } }));
    await again();
  };
  const remove = async () => {
    await done(api.DELETE('/v1/instances/{instance}/groups/{group}', { params }));
    await again();
  };
  const button = (action: string, onClick: () => void, { danger = false, disabled = false } = {}) => (
    <Button
      type="link"
      size="small"
      autoInsertSpace={false}
      danger={danger}
      style={{ paddingInline: 4 }}
      disabled={disabled}
      aria-label={t('action.of', { action, name })}
      onClick={onClick}
    >
      {action}
    </Button>
  );
  return (
    <Space size={0}>
      {button(t('topics'), () => setDialog('topics'))}
      {may.manage && (
        <>
          {button(
            t('open'),
            () => confirm({ text: t('open.text', { name }), run: become(true), done: t('open.done') }),
            { disabled: group.consumeEnable },
          )}
          {button(
            t('close'),
            () => confirm({ text: t('close.text', { name }), run: become(false), done: t('close.done') }),
            { disabled: !group.consumeEnable },
          )}
          {button(t('change'), () => setDialog('change'))}
          {button(
            t('remove'),
            () => confirm({ text: t('remove.text', { name }), typeName: name, run: remove, done: t('remove.done') }),
            { danger: true },
          )}
        </>
      )}
      <Suspense>
        {dialog === 'topics' && <TopicListDialog group={group} onClose={() => setDialog(null)} />}
        {dialog === 'change' && <ChangeDialog group={group} onClose={() => setDialog(null)} />}
      </Suspense>
    </Space>
  );
}
