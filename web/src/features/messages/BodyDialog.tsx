import { DownloadOutlined } from '@ant-design/icons';
import { Alert, Button, Descriptions, Skeleton, Space, Tabs, theme } from 'antd';
import { useEffect, useState } from 'react';
import { useMessages } from '@/components/i18n';
import { ViewDialog } from '@/components/ViewDialog';
import { beginning, bytesOf, hexOf, isPacked, jsonOf, textOf, unpacked, type MessageRow } from './body';
import { en } from './en';
import { zh } from './zh';

type Bytes = Uint8Array<ArrayBuffer>;

/** 「查看」: what a message is made of. */
export function BodyDialog({ message, onClose }: { message: MessageRow; onClose: () => void }) {
  const t = useMessages({ zh, en });
  const [sent] = useState(() => bytesOf(message));
  const packed = isPacked(message);
  const [read, setRead] = useState<Bytes | null | 'waiting'>(packed ? 'waiting' : sent);
  useEffect(() => {
    let isGone = false;
    if (packed) {
      void unpacked(sent).then((bytes) => {
        if (!isGone) {
          setRead(bytes);
        }
      });
    }
    return () => {
      isGone = true;
    };
  }, [packed, sent]);
  const bytes = read === 'waiting' ? null : (read ?? sent);
  return (
    <ViewDialog title={t('body.title')} width={900} onClose={onClose}>
      <Space orientation="vertical" size="middle" style={{ width: '100%' }}>
        <Descriptions
          bordered
          size="small"
          column={1}
          items={[
            { key: 'id', label: t('column.id'), children: <code className="any-break">{message.msgId}</code> },
            ...Object.entries(message.properties).map(([name, value]) => ({
              key: `property:${name}`,
              label: name,
              children: <span className="any-break">{value}</span>,
            })),
          ]}
        />
        {packed && read !== 'waiting' && (
          <Alert type="info" showIcon title={t(read === null ? 'body.stillPacked' : 'body.packed')} />
        )}
        {bytes === null ? <Skeleton active /> : <Body bytes={bytes} name={message.msgId} />}
      </Space>
    </ViewDialog>
  );
}

function Body({ bytes, name }: { bytes: Bytes; name: string }) {
  const t = useMessages({ zh, en });
  const shown = beginning(bytes);
  const isCut = shown.length < bytes.length;
  const text = textOf(shown);
  // A part of JSON is none.
  const json = isCut || text === null ? null : jsonOf(text);
  const forms = [
    ...(json === null ? [] : [{ key: 'json', label: t('body.json'), content: json }]),
    ...(text === null ? [] : [{ key: 'text', label: t('body.text'), content: text }]),
    { key: 'hex', label: t('body.hex'), content: hexOf(shown) },
  ];
  return (
    <>
      <Space>
        <Button icon={<DownloadOutlined aria-hidden />} onClick={() => download(bytes, name)}>
          {t('body.download')}
        </Button>
        {t('body.size', { size: bytes.length })}
      </Space>
      <Tabs
        aria-label={t('body.form')}
        items={forms.map(({ key, label, content }) => ({
          key,
          label,
          children: (
            <>
              {isCut && <Alert type="info" title={t('body.cut', { size: shown.length })} style={{ marginBottom: 8 }} />}
              <Content text={bytes.length === 0 ? t('body.empty') : content} label={label} />
            </>
          ),
        }))}
      />
    </>
  );
}

/** Scrolls in itself, so it can be reached with the keyboard. */
function Content({ text, label }: { text: string; label: string }) {
  const { token } = theme.useToken();
  const style = { background: token.colorFillAlter, border: `1px solid ${token.colorBorderSecondary}` };
  return (
    <pre className="body-text" role="region" aria-label={label} tabIndex={0} style={style}>
      {text}
    </pre>
  );
}

function download(bytes: Bytes, name: string): void {
  const url = URL.createObjectURL(new Blob([bytes], { type: 'application/octet-stream' }));
  const link = document.createElement('a');
  link.href = url;
  link.download = `${name}.bin`;
  link.click();
  URL.revokeObjectURL(url);
}
