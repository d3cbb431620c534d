import { useMessages } from '@/components/i18n';
import { Placeholder } from '@/components/Page';
import { en } from './en';
import { zh } from './zh';

export function Component() {
  const t = useMessages({ zh, en });
  return <Placeholder title={t('title')} />;
}
