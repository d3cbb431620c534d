import { Tabs, Typography } from 'antd';
import { CopyButton } from '@/components/CopyButton';
import { useMessages } from '@/components/i18n';
import { en } from './en';
import { go, java, node, python, rust } from './snippets/grpc';
import { cli, curl, mqHttpNode, mqHttpPython } from './snippets/http';
import type { Place } from './snippets/place';
import { zh } from './zh';

const ALL = [curl, cli, java, go, python, node, rust, mqHttpPython, mqHttpNode];

function Code({ text, name }: { text: string; name: string }) {
  return (
    <section className="code" aria-label={name}>
      <div className="page-head">
        <Typography.Text strong>{name}</Typography.Text>
        <CopyButton name={name} text={() => text} />
      </div>
      <pre className="message-body" tabIndex={0}>
        {text}
      </pre>
    </section>
  );
}

/** One tab for each way to connect. */
export function Examples({ place }: { place: Place }) {
  const t = useMessages({ zh, en });
  const items = ALL.map((make) => make(place)).map(({ key, title, install, file, code }) => ({
    key,
    label: title,
    children: (
      <>
        {install !== undefined && <Code name={t('install')} text={install} />}
        <Code name={file === undefined ? t('program') : t('file', { file })} text={code} />
      </>
    ),
  }));
  return <Tabs items={items} />;
}
