import { Alert, Button, Form, Input, theme } from 'antd';
import { useEffect, useState } from 'react';
import { ApiFailure } from '@/api/failure';
import { logIn } from '@/api/session';
import { Failure } from '@/components/Failure';
import { useLanguage, useMessages } from '@/components/i18n';
import { useSession } from '@/components/session';
import { en } from './en';
import { zh } from './zh';

interface Values {
  tenant?: string;
  username: string;
  password: string;
}

/** For console users: of a tenant, or the operator, who is of none. */
export default function Login() {
  const t = useMessages({ zh, en });
  const session = useSession();
  const { token } = theme.useToken();
  const { language, choose } = useLanguage();
  const [isRunning, setRunning] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const title = t('title');
  useEffect(() => {
    document.title = `${title} · Firn`;
  }, [title]);
  const submit = async ({ tenant = '', username, password }: Values) => {
    setRunning(true);
    setError(null);
    try {
      await logIn({ username, tenant: tenant.trim() === '' ? null : Number(tenant) }, password);
    } catch (thrown) {
      setError(thrown);
      setRunning(false);
    }
  };
  const isWrong = error instanceof ApiFailure && error.status === 401;
  return (
    <main className="login">
      <section className="login-card" style={{ background: token.colorBgContainer, color: token.colorText }}>
        <h1>{t('product')}</h1>
        {session.state === 'out' && session.why === 'expired' && <Alert type="info" showIcon title={t('expired')} />}
        <Form<Values> layout="vertical" onFinish={(values) => void submit(values)} requiredMark={false}>
          <Form.Item
            name="tenant"
            label={t('tenant')}
            extra={t('tenant.hint')}
            rules={[{ pattern: /^\s*\d{0,15}\s*$/, message: t('tenant.wrong') }]}
          >
            <Input inputMode="numeric" autoComplete="organization" autoFocus />
          </Form.Item>
          <Form.Item name="username" label={t('username')} rules={[{ required: true, message: t('username.missing') }]}>
            <Input autoComplete="username" />
          </Form.Item>
          <Form.Item name="password" label={t('password')} rules={[{ required: true, message: t('password.missing') }]}>
            <Input.Password autoComplete="current-password" />
          </Form.Item>
          {isWrong && <Alert type="error" showIcon role="alert" title={t('wrong')} />}
          {error !== null && !isWrong && <Failure error={error} title={t('failed')} />}
          <Button type="primary" htmlType="submit" block loading={isRunning} style={{ marginTop: '1rem' }}>
            {t('submit')}
          </Button>
        </Form>
        <Button
          type="link"
          block
          lang={language === 'zh' ? 'en' : 'zh-CN'}
          onClick={() => choose(language === 'zh' ? 'en' : 'zh')}
        >
          {t('language')}
        </Button>
      </section>
    </main>
  );
}
