import { CopyOutlined } from '@ant-design/icons';
import { Button } from 'antd';
import { en } from './en';
import { useMessages } from './i18n';
import { useNotice } from './notice';
import { zh } from './zh';

/** Without TLS a page has no clipboard but that of a selected field. */
function copySelected(text: string): void {
  const field = document.createElement('textarea');
  field.value = text;
  field.style.position = 'fixed';
  document.body.append(field);
  field.select();
  // eslint-disable-next-line @typescript-eslint/no-deprecated -- there is nothing else without TLS
  document.execCommand('copy');
  field.remove();
}

interface Props {
  text: () => string;
  /** Tells several apart for those who do not see them. */
  name: string;
  /** Without its word, where there is little room. */
  isIcon?: boolean;
}

/** Copies a text, and says so. */
export function CopyButton({ text, name, isIcon = false }: Props) {
  const t = useMessages({ zh, en });
  const notify = useNotice();
  const copy = async () => {
    if (window.isSecureContext) {
      await navigator.clipboard.writeText(text());
    } else {
      copySelected(text());
    }
    notify(t('copy.done'));
  };
  return (
    <Button
      size="small"
      type={isIcon ? 'text' : 'default'}
      icon={<CopyOutlined />}
      title={isIcon ? t('copy') : undefined}
      aria-label={`${t('copy')} ${name}`}
      onClick={() => void copy()}
    >
      {!isIcon && t('copy')}
    </Button>
  );
}
