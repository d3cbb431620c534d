import { Modal } from 'antd';
import type { ReactNode } from 'react';
import { useMessages } from '@/components/i18n';
import { en } from './en';
import { zh } from './zh';

interface Props {
  title: string;
  width?: number;
  onClose: () => void;
  children: ReactNode;
}

/** A dialog that only shows: it is left by ✕ or Esc. */
export function ViewDialog({ title, width = 960, onClose, children }: Props) {
  const t = useMessages({ zh, en });
  return (
    <Modal open title={title} width={width} footer={null} closable={{ 'aria-label': t('close') }} onCancel={onClose}>
      {children}
    </Modal>
  );
}
