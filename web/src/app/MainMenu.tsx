import { useQuery } from '@tanstack/react-query';
import { Menu, type MenuProps } from 'antd';
import { useEffect, useState } from 'react';
import { Link, useLocation } from 'react-router';
import { instancesQuery } from '@/api/shared';
import { useMessages } from '@/components/i18n';
import { instanceKey, instancePath } from '@/components/instance';
import { usePerson } from '@/components/session';
import { GUIDE, INSTANCES, MORE, OPERATION, type Area } from './areas';
import { en } from './en';
import { zh } from './zh';

type Items = NonNullable<MenuProps['items']>;

/** The instance and the page that an address names. */
export function placeOf(pathname: string): { instance: string | null; page: string } {
  const [first = '', second = '', third = ''] = pathname.split('/').filter(Boolean).map(decodeURIComponent);
  return first === 'i' ? { instance: second, page: third } : { instance: null, page: first };
}

/** Pages of an instance lead to the one that is open, was open last, or is the first. */
function useMenuInstance(named: string | null): string | null {
  const all = useQuery(instancesQuery).data ?? [];
  const isKnown = (key: string | null) => all.some(({ id, name }) => id === key || name === key);
  const [last, setLast] = useState<string | null>(null);
  if (named !== last && isKnown(named)) {
    setLast(named);
  }
  const [first] = all;
  const fallback = first === undefined ? null : instanceKey(first, all);
  return isKnown(last) ? last : fallback;
}

export function MainMenu({ onChoose }: { onChoose: () => void }) {
  const t = useMessages({ zh, en });
  const { person } = usePerson();
  const place = placeOf(useLocation().pathname);
  const instance = useMenuInstance(place.instance);
  const items = (areas: readonly Area[], to: (path: string) => string | null): Items =>
    areas.flatMap(({ path, label, isFor }) => {
      if (label === undefined || isFor?.(person) === false) {
        return [];
      }
      const target = to(path);
      const text = t(label);
      return [{ key: path, disabled: target === null, label: target === null ? text : <Link to={target}>{text}</Link> }];
    });
  useEffect(() => {
    // On a low window a page far down in the menu is opened by its address, or by "back".
    document.querySelector('[role=menu] .ant-menu-item-selected')?.scrollIntoView({ block: 'nearest' });
  }, [place.page]);
  const ofInstance = (path: string) => (instance === null ? null : instancePath(instance, path));
  const group = (key: string, label: string, children: Items) => ({ key, type: 'group' as const, label, children });
  return (
    <Menu
      mode="inline"
      onClick={onChoose}
      selectedKeys={[place.page === 'probe' ? 'topics' : place.page]}
      style={{ borderInlineEnd: 0 }}
      items={[
        ...items([INSTANCES], (path) => `/${path}`),
        ...items(GUIDE, ofInstance),
        group('more', t('menu.more'), items(MORE, ofInstance)),
        group('operation', t('menu.operation'), items(OPERATION, (path) => `/${path}`)),
      ]}
    />
  );
}
