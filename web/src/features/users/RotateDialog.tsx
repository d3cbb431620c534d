import { useQueryClient } from '@tanstack/react-query';
import { Form, Radio, Space } from 'antd';
import { FormDialog } from '@/components/FormDialog';
import { useMessages } from '@/components/i18n';
import { useInstance } from '@/components/instance';
import { rotate, usersKey } from './calls';
import { en } from './en';
import { zh } from './zh';

const GRACES = [0, 3600, 86400, 604800] as const;

interface Values {
  graceSeconds: (typeof GRACES)[number];
}

interface Props {
  accessKey: string;
  onRotated: (secretKey: string) => void;
  onClose: () => void;
}

/** A new secret, beside which the one of before is valid for a while. */
export default function RotateDialog({ accessKey, onRotated, onClose }: Props) {
  const t = useMessages({ zh, en });
  const queries = useQueryClient();
  const { instance } = useInstance();
  const save = async ({ graceSeconds }: Values) => {
    const secretKey = await rotate(instance, accessKey, graceSeconds);
    await queries.invalidateQueries({ queryKey: usersKey(instance) });
    onRotated(secretKey);
  };
  return (
    <FormDialog<Values>
      title={t('rotate.title')}
      initial={{ graceSeconds: 86400 }}
      save={save}
      okText={t('rotate')}
      done={t('rotate.done')}
      onClose={onClose}
    >
      <p>{t('rotate.text', { name: accessKey })}</p>
      <Form.Item name="graceSeconds" label={t('rotate.grace')}>
        <Radio.Group>
          <Space wrap>
            {GRACES.map((seconds) => (
              <Radio key={seconds} value={seconds}>
                {t(`rotate.grace.${seconds}`)}
              </Radio>
            ))}
          </Space>
        </Radio.Group>
      </Form.Item>
    </FormDialog>
  );
}
