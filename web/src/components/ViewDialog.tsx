import { Modal } from 'antd';
import type { ReactNode } from 'react';
import { en } from './en';
import { useMessages } from './i18n';
import { zh } from './zh';

interface Props {
  title: ReactNode;
  width?: number;
  onClose: () => void;
  children: ReactNode;
}

/** A dialog that shows something and has nothing to save. Render it when it is to be open. */
export function ViewDialog({ title, width = 760, onClose, children }: Props) {
  const t = useMessages({ zh, en });
  return (
    <Modal open title={title} width={width} footer={null} closable={{ 'aria-label': t('dialog.close') }} onCancel={onClose}>
      {children}
    </Modal>
  );
}
