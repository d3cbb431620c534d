import { Result } from 'antd';
import type { ReactNode } from 'react';
import { en } from './en';
import { useMessages } from './i18n';
import { Page } from './Page';
import { usePerson } from './session';
import { zh } from './zh';

/** Pages of the operator; the menu does not show them to others, but an address may. */
export function OperatorsOnly({ title, children }: { title: string; children: ReactNode }) {
  const t = useMessages({ zh, en });
  const { may } = usePerson();
  return may.deploy ? (
    children
  ) : (
    <Page title={title}>
      <Result status="warning" title={t('operators.title')} subTitle={t('operators.text')} />
    </Page>
  );
}
