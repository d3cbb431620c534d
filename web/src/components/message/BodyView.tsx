import { Alert, Button, Flex, Radio, Skeleton, Typography } from 'antd';
import { useEffect, useState } from 'react';
import { CopyButton } from '../CopyButton';
import { useMessages } from '../i18n';
import { bytesOf, hexOf, laidOut, SHOWN_BYTES_MAX, textOf, unpacked, type Content } from './body';
import { en } from './en';
import { zh } from './zh';

interface Opened {
  bytes: Uint8Array<ArrayBuffer>;
  /** Why it could not be unpacked. */
  broken: string | null;
}

/** Unpacks in the background. */
function useOpened(content: Content): Opened | null {
  const [opened, setOpened] = useState<{ of: Content; got: Opened } | null>(null);
  useEffect(() => {
    let isWanted = true;
    const packed = bytesOf(content);
    const open = async (): Promise<Opened> => {
      if (content.contentEncoding == null) {
        return { bytes: packed, broken: null };
      }
      try {
        return { bytes: await unpacked(packed), broken: null };
      } catch (thrown) {
        return { bytes: packed, broken: thrown instanceof Error ? thrown.message : String(thrown) };
      }
    };
    void open().then((got) => isWanted && setOpened({ of: content, got }));
    return () => {
      isWanted = false;
    };
  }, [content]);
  return opened?.of === content ? opened.got : null;
}

function save(bytes: Uint8Array<ArrayBuffer>, name: string): void {
  const url = URL.createObjectURL(new Blob([bytes]));
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  URL.revokeObjectURL(url);
}

/** A body as text, laid out, or byte by byte; whole to copy and to save. */
export function BodyView({ content, name }: { content: Content; name: string }) {
  const t = useMessages({ zh, en });
  const [chosen, choose] = useState<'text' | 'json' | 'hex' | null>(null);
  const opened = useOpened(content);
  if (opened === null) {
    return <Skeleton active paragraph={{ rows: 2 }} title={false} />;
  }
  const { bytes, broken } = opened;
  const isCut = bytes.length > SHOWN_BYTES_MAX;
  const text = textOf(bytes);
  const json = text === null || isCut ? null : laidOut(text);
  const view = chosen ?? (text === null ? 'hex' : json === null ? 'text' : 'json');
  const part = bytes.slice(0, SHOWN_BYTES_MAX);
  const shown = { text: isCut ? new TextDecoder().decode(part) : text, json, hex: hexOf(part) }[view] ?? '';
  const { contentEncoding } = content;
  return (
    <Flex vertical gap="small">
      <Flex gap="small" align="center" wrap>
        <Typography.Text strong>{t('body')}</Typography.Text>
        <Typography.Text>{t('body.size', { size: bytes.length })}</Typography.Text>
        <Radio.Group size="small" value={view} onChange={({ target }) => choose(target.value as 'text' | 'json' | 'hex')}>
          <Radio.Button value="text" disabled={text === null}>
            {t('view.text')}
          </Radio.Button>
          <Radio.Button value="json" disabled={json === null}>
            {t('view.json')}
          </Radio.Button>
          <Radio.Button value="hex">{t('view.hex')}</Radio.Button>
        </Radio.Group>
        <CopyButton name={t('body')} text={() => (view === 'text' && text !== null ? text : shown)} />
        <Button size="small" onClick={() => save(bytes, name)}>
          {t('save')}
        </Button>
      </Flex>
      {contentEncoding != null && (
        <Alert
          type={broken === null ? 'info' : 'warning'}
          title={broken === null ? t('body.packed', { encoding: contentEncoding }) : t('body.broken', { why: broken })}
        />
      )}
      {isCut && <Alert type="info" title={t('body.cut', { shown: SHOWN_BYTES_MAX })} />}
      <pre className="message-body" tabIndex={0} aria-label={t('body')}>
        {shown === '' ? t('body.empty') : shown}
      </pre>
    </Flex>
  );
}
