import { MenuOutlined } from '@ant-design/icons';
import { Button, Drawer, Grid, Layout, theme } from 'antd';
import { useState } from 'react';
import { Link, Outlet, useNavigation } from 'react-router';
import { useMessages } from '@/components/i18n';
import { en } from './en';
import { HeaderTools } from './HeaderTools';
import { MainMenu } from './MainMenu';
import { zh } from './zh';

/** What is around every page: the menu on the left, the tools above. */
export function Frame() {
  const t = useMessages({ zh, en });
  const { token } = theme.useToken();
  const { lg = true } = Grid.useBreakpoint();
  const [isMenuOpen, setMenuOpen] = useState(false);
  const isLoading = useNavigation().state === 'loading';
  const menu = (
    <nav aria-label={t('menu.main')}>
      <Link to="/instances" className="brand" style={{ color: token.colorText }}>
        {t('product')}
      </Link>
      <MainMenu onChoose={() => setMenuOpen(false)} />
    </nav>
  );
  return (
    <Layout style={{ minHeight: '100vh' }}>
      <a className="skip" href="#content">
        {t('skip')}
      </a>
      {lg ? (
        <Layout.Sider className="frame-menu" width={220} theme="light" style={{ background: token.colorBgContainer }}>
          {menu}
        </Layout.Sider>
      ) : (
        <Drawer
          open={isMenuOpen}
          placement="left"
          size={240}
          closable={false}
          styles={{ body: { padding: 0 } }}
          aria-label={t('menu.main')}
          onClose={() => setMenuOpen(false)}
        >
          {menu}
        </Drawer>
      )}
      <Layout>
        <Layout.Header className="frame-header" style={{ background: token.colorBgContainer }}>
          {!lg && (
            <Button
              type="text"
              icon={<MenuOutlined />}
              aria-label={t('menu.open')}
              aria-expanded={isMenuOpen}
              onClick={() => setMenuOpen(true)}
            />
          )}
          <HeaderTools />
        </Layout.Header>
        <main id="content" className="content" tabIndex={-1} aria-busy={isLoading}>
          <Outlet />
        </main>
      </Layout>
    </Layout>
  );
}
