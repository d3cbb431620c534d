import { DownOutlined } from '@ant-design/icons';
import { useQueryClient } from '@tanstack/react-query';
import { Button, Dropdown, type MenuProps } from 'antd';
import { lazy, Suspense, useState } from 'react';
import { Link } from 'react-router';
import { api, call, done } from '@/api/client';
import { instancesQuery, type Instance } from '@/api/shared';
import { useConfirm } from '@/components/Confirm';
import { useMessages } from '@/components/i18n';
import { usePerson } from '@/components/session';
import { en } from './en';
import { zh } from './zh';

const ChangeDialog = lazy(() => import('./ChangeDialog'));
const ExtendDialog = lazy(() => import('./ExtendDialog'));

interface Props {
  instance: Instance;
  path: (page: string) => string;
}

/** 「更多」 of a row: what only the operator may, and ways to other pages for everybody. */
export function MoreActions({ instance, path }: Props) {
  const t = useMessages({ zh, en });
  const { may } = usePerson();
  const queries = useQueryClient();
  const confirm = useConfirm();
  const [dialog, setDialog] = useState<'extend' | 'change' | null>(null);
  const { name } = instance;
  const params = { path: { instance: instance.id } };
  const again = () => queries.invalidateQueries({ queryKey: instancesQuery.queryKey });
  const become = (status: Instance['status']) => async () => {
    await call(api.PATCH('/v1/instances/{instance}', { params, body: { status } }));
    await again();
  };
  const remove = async () => {
    await done(api.DELETE('/v1/instances/{instance}', { params }));
    await again();
  };
  const isFrozen = instance.status === 'frozen';
  const operations: MenuProps['items'] = [
    { type: 'divider' },
    { key: 'extend', label: t('extend'), onClick: () => setDialog('extend') },
    { key: 'change', label: t('change'), onClick: () => setDialog('change') },
    isFrozen
      ? {
          key: 'thaw',
          label: t('thaw'),
          onClick: () => confirm({ text: t('thaw.text', { name }), run: become('running'), done: t('thaw.done') }),
        }
      : {
          key: 'freeze',
          label: t('freeze'),
          onClick: () => confirm({ text: t('freeze.text', { name }), run: become('frozen'), done: t('freeze.done') }),
        },
    {
      key: 'remove',
      label: t('remove'),
      danger: true,
      onClick: () => confirm({ text: t('remove.text', { name }), typeName: name, run: remove, done: t('remove.done') }),
    },
  ];
  return (
    <>
      <Dropdown
        trigger={['click']}
        menu={{
          items: [
            { key: 'start', label: <Link to={path('start')}>{t('start')}</Link> },
            { key: 'quota', label: <Link to={path('quota')}>{t('quota')}</Link> },
            ...(may.deploy ? operations : []),
          ],
        }}
      >
        <Button type="link" size="small" aria-label={t('more.of', { name })}>
          {t('more')} <DownOutlined />
        </Button>
      </Dropdown>
      <Suspense>
        {dialog === 'extend' && <ExtendDialog instance={instance} onClose={() => setDialog(null)} />}
        {dialog === 'change' && <ChangeDialog instance={instance} onClose={() => setDialog(null)} />}
      </Suspense>
    </>
  );
}
