import { LogoutOutlined, MoonOutlined, SunOutlined, UserOutlined } from '@ant-design/icons';
import { useQuery } from '@tanstack/react-query';
import { Button, Dropdown, Select } from 'antd';
import { lazy, Suspense, useState } from 'react';
import { useLocation, useNavigate } from 'react-router';
import { logOut } from '@/api/session';
import { instancesQuery } from '@/api/shared';
import { useLanguage, useMessages } from '@/components/i18n';
import { instanceKey, instancePath } from '@/components/instance';
import { usePerson } from '@/components/session';
import { en } from './en';
import { placeOf } from './MainMenu';
import { useColours } from './preferences';
import { zh } from './zh';

const PasswordDialog = lazy(() => import('./PasswordDialog'));

export function HeaderTools() {
  const t = useMessages({ zh, en });
  const { language, choose } = useLanguage();
  const { isDark, toggle } = useColours();
  return (
    <>
      <InstanceSelect />
      <span className="spring" />
      <Button type="text" lang={language === 'zh' ? 'en' : 'zh-CN'} onClick={() => choose(language === 'zh' ? 'en' : 'zh')}>
        {t('header.language')}
      </Button>
      <Button
        type="text"
        icon={isDark ? <SunOutlined /> : <MoonOutlined />}
        aria-label={t(isDark ? 'header.light' : 'header.dark')}
        title={t(isDark ? 'header.light' : 'header.dark')}
        onClick={toggle}
      />
      <PersonMenu />
    </>
  );
}

/** Another instance, on the same page. */
function InstanceSelect() {
  const t = useMessages({ zh, en });
  const navigate = useNavigate();
  const { instance: key, page } = placeOf(useLocation().pathname);
  const all = useQuery(instancesQuery).data ?? [];
  const chosen = all.find(({ id, name }) => id === key || name === key);
  return (
    <Select
      showSearch={{ optionFilterProp: 'label' }}
      style={{ minWidth: 160 }}
      aria-label={t('header.instance')}
      placeholder={t('header.none')}
      value={chosen?.id ?? null}
      options={all.map(({ id, name }) => ({ value: id, label: name }))}
      onChange={(id: string) => {
        const next = all.find((one) => one.id === id);
        if (next !== undefined) {
          void navigate(instancePath(instanceKey(next, all), key === null ? 'overview' : page));
        }
      }}
    />
  );
}

function PersonMenu() {
  const t = useMessages({ zh, en });
  const { person, may } = usePerson();
  const navigate = useNavigate();
  const [isChanging, setChanging] = useState(false);
  const leave = async () => {
    await navigate('/instances');
    await logOut();
  };
  // The service lets administrators set passwords; that of the operator is its configuration.
  const canChange = may.manage && person.tenant !== null;
  const name = `${person.username} (${t(`role.${person.role}`)})`;
  return (
    <>
      <Dropdown
        trigger={['click']}
        menu={{
          items: [
            ...(canChange ? [{ key: 'password', label: t('header.password'), onClick: () => setChanging(true) }] : []),
            { key: 'logout', icon: <LogoutOutlined />, label: t('header.logout'), onClick: () => void leave() },
          ],
        }}
      >
        <Button type="text" icon={<UserOutlined />} aria-label={`${t('header.person')} ${name}`}>
          {name}
        </Button>
      </Dropdown>
      <Suspense>{isChanging && <PasswordDialog onClose={() => setChanging(false)} />}</Suspense>
    </>
  );
}
