import { CopyOutlined } from '@ant-design/icons';
import { Button } from 'antd';
import { useMessages } from '@/components/i18n';
import { useNotice } from '@/components/notice';
import { en } from './en';
import { zh } from './zh';

/** A text to take along. Without a secure connection browsers let nobody copy: then it is marked by hand. */
export function SecretText({ text }: { text: string }) {
  const t = useMessages({ zh, en });
  const notify = useNotice();
  // Undefined, whatever its type says, where the page came over plain HTTP.
  const clipboard = navigator.clipboard as Clipboard | undefined;
  const copy = async () => {
    await clipboard?.writeText(text);
    notify(t('copied'));
  };
  return (
    <>
      <code className="any-break" style={{ userSelect: 'all' }}>{text}</code>
      {clipboard !== undefined && (
        <Button
          type="text"
          size="small"
          icon={<CopyOutlined />}
          aria-label={t('copy')}
          title={t('copy')}
          onClick={() => void copy()}
        />
      )}
    </>
  );
}
