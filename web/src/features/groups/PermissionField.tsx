import { Button, Space } from 'antd';
import { lazy, Suspense, useState } from 'react';
import { useMessages } from '@/components/i18n';
import { en } from './en';
import type { Permissions } from './groups';
import { zh } from './zh';

const TopicsDialog = lazy(() => import('./TopicsDialog'));

interface Props {
  /** Both from the `Form.Item` around it; its `id` would give the button the label's name. */
  value?: Permissions;
  onChange?: (value: Permissions) => void;
}

/** 「选择主题...」 with 「(不限制)」 or 「(已设置1项)」. */
export function PermissionField({ value = {}, onChange }: Props) {
  const t = useMessages({ zh, en });
  const [isOpen, setOpen] = useState(false);
  const count = Object.keys(value).length;
  return (
    <>
      <Space>
        <Button autoInsertSpace={false} onClick={() => setOpen(true)}>
          {t('choose')}
        </Button>
        <span>{count === 0 ? t('unlimited') : t('limited', { count })}</span>
      </Space>
      <Suspense>
        {isOpen && (
          <TopicsDialog value={value} onSave={(next) => onChange?.(next)} onClose={() => setOpen(false)} />
        )}
      </Suspense>
    </>
  );
}
