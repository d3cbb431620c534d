import { Radio, Typography } from 'antd';
import { useState } from 'react';
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

/** One program for each way to connect. */
export function Examples({ place }: { place: Place }) {
  const t = useMessages({ zh, en });
  const [chosen, choose] = useState('curl');
  const all = ALL.map((make) => make(place));
  const snippet = all.find(({ key }) => key === chosen);
  return (
    <>
      {/* Tabs do not wrap, and the rest of them would be in a menu that not everybody can use. */}
      <Radio.Group
        className="ways"
        optionType="button"
        aria-label={t('step.how')}
        value={chosen}
        options={all.map(({ key, title }) => ({ value: key, label: title }))}
        onChange={({ target }) => choose(String(target.value))}
      />
      {snippet?.install !== undefined && <Code name={t('install')} text={snippet.install} />}
      {snippet !== undefined && (
        <Code name={snippet.file === undefined ? t('program') : t('file', { file: snippet.file })} text={snippet.code} />
      )}
    </>
  );
}
