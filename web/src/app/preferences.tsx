/** Language and colours: kept by the browser, Chinese and the system's colours at first. */
import { ConfigProvider, message, theme } from 'antd';
import enUS from 'antd/locale/en_US';
import zhCN from 'antd/locale/zh_CN';
import dayjs from 'dayjs';
import 'dayjs/locale/zh-cn';
import { createContext, useCallback, useContext, useEffect, useMemo, useState, type ReactNode } from 'react';
import { LanguageContext, type Language } from '@/components/i18n';
import { NoticeContext } from '@/components/notice';

interface Colours {
  isDark: boolean;
  toggle: () => void;
}

const ColoursContext = createContext<Colours>({ isDark: false, toggle: () => undefined });

export function useColours(): Colours {
  return useContext(ColoursContext);
}

/** A storage that is switched off changes nothing but that the choice is forgotten. */
function kept(name: string): string | null {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}

function keep(name: string, value: string): void {
  try {
    localStorage.setItem(name, value);
  } catch {
    // Forgotten with the page.
  }
}

/** Contrast of at least 4.5 on its ground, light and dark. */
const LIGHT = {
  colorPrimary: '#1557b0',
  colorLink: '#1557b0',
  colorError: '#c5221f',
  colorTextPlaceholder: '#6b6f76',
  colorTextDescription: '#5f6368',
};
const DARK = {
  colorPrimary: '#3b82d9',
  colorLink: '#7db3f0',
  colorError: '#ff8a84',
  colorTextPlaceholder: '#9aa0a6',
  colorTextDescription: '#a8adb3',
};
/** Dark text on the light red of dangerous buttons. */
const DARK_BUTTON = { dangerColor: '#141414' };

export function Preferences({ children }: { children: ReactNode }) {
  const [language, setLanguage] = useState<Language>(kept('firn.language') === 'en' ? 'en' : 'zh');
  const [isDark, setDark] = useState(
    () => (kept('firn.colours') ?? (matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light')) === 'dark',
  );
  const [isStill] = useState(() => matchMedia('(prefers-reduced-motion: reduce)').matches);
  dayjs.locale(language === 'zh' ? 'zh-cn' : 'en');
  useEffect(() => {
    document.documentElement.lang = language === 'zh' ? 'zh-CN' : 'en';
    document.documentElement.dataset['colours'] = isDark ? 'dark' : 'light';
  }, [language, isDark]);
  const languages = useMemo(
    () => ({
      language,
      choose: (chosen: Language) => {
        keep('firn.language', chosen);
        setLanguage(chosen);
      },
    }),
    [language],
  );
  const colours = useMemo(
    () => ({
      isDark,
      toggle: () => {
        keep('firn.colours', isDark ? 'light' : 'dark');
        setDark(!isDark);
      },
    }),
    [isDark],
  );
  const chosen = isDark ? '#a9d0ff' : '#0f478f';
  return (
    <LanguageContext value={languages}>
      <ColoursContext value={colours}>
        <ConfigProvider
          locale={language === 'zh' ? zhCN : enUS}
          theme={{
            algorithm: isDark ? theme.darkAlgorithm : theme.defaultAlgorithm,
            token: { ...(isDark ? DARK : LIGHT), borderRadius: 4, motion: !isStill },
            components: {
              Menu: { itemSelectedColor: chosen },
              Tabs: { itemSelectedColor: chosen, itemHoverColor: chosen, itemActiveColor: chosen },
              // The instance list has twelve columns, and 1280 px are to be enough for them.
              Table: { cellPaddingInlineSM: 6 },
              ...(isDark ? { Button: DARK_BUTTON } : {}),
            },
          }}
          button={{ autoInsertSpace: false }}
        >
          <Notices>{children}</Notices>
        </ConfigProvider>
      </ColoursContext>
    </LanguageContext>
  );
}

/** Inside the colours, so that notes have them, too. */
function Notices({ children }: { children: ReactNode }) {
  const [notes, place] = message.useMessage();
  const notify = useCallback((text: string) => void notes.success(text), [notes]);
  return (
    <NoticeContext value={notify}>
      {place}
      {children}
    </NoticeContext>
  );
}
