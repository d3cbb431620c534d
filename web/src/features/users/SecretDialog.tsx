import { Descriptions } from 'antd';
import { useMessages } from '@/components/i18n';
import { ViewDialog } from '@/components/ViewDialog';
import { en } from './en';
import { SecretText } from './SecretText';
import { zh } from './zh';

interface Props {
  accessKey: string;
  secretKey: string;
  onClose: () => void;
}

/** A secret that was just made. */
export default function SecretDialog({ accessKey, secretKey, onClose }: Props) {
  const t = useMessages({ zh, en });
  return (
    <ViewDialog title={t('secret.title')} width={560} onClose={onClose}>
      <p>{t('secret.text')}</p>
      <Descriptions
        bordered
        size="small"
        column={1}
        items={[
          { key: 'accessKey', label: t('accessKey'), children: <SecretText text={accessKey} /> },
          { key: 'secretKey', label: t('secretKey'), children: <SecretText text={secretKey} /> },
        ]}
      />
    </ViewDialog>
  );
}
