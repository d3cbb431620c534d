import { ReloadOutlined } from '@ant-design/icons';
import { Button, Input, Space } from 'antd';
import { useState } from 'react';
import { en } from './en';
import { useMessages } from './i18n';
import { PAGE_SIZES, pageCount, pageMeant, pagesAround, type Paging } from './paging';
import { zh } from './zh';

interface Props {
  paging: Paging;
  total: number;
  isFetching: boolean;
  onRefresh: () => void;
}

/** 「当前第1页, 共1页, 共6条记录, 每页显示 5」 and the ways to other pages. */
export function TableFooter({ paging, total, isFetching, onRefresh }: Props) {
  const t = useMessages({ zh, en });
  const [typed, setTyped] = useState('');
  const pages = pageCount(total, paging.size);
  const page = Math.min(paging.page, pages);
  const goTyped = () => {
    const meant = pageMeant(typed, pages);
    if (meant !== null) {
      paging.go(meant);
    }
    setTyped('');
  };
  const sizes = [...new Set([...PAGE_SIZES, paging.size])].sort((a, b) => a - b);
  return (
    <div className="table-footer">
      <Button
        type="text"
        icon={<ReloadOutlined spin={isFetching} />}
        aria-label={t('table.refresh')}
        title={t('table.refresh')}
        onClick={onRefresh}
      />
      <label className="table-summary">
        <span>{t('table.summary', { page, pages, total })} </span>
        <select
          value={paging.size}
          aria-label={t('table.size')}
          onChange={(event) => paging.go(1, Number(event.target.value))}
        >
          {sizes.map((size) => (
            <option key={size}>{size}</option>
          ))}
        </select>
      </label>
      <Space size={4} wrap>
        <Button size="small" disabled={page <= 1} onClick={() => paging.go(1)}>
          {t('table.first')}
        </Button>
        <Button size="small" disabled={page <= 1} onClick={() => paging.go(page - 1)}>
          {t('table.previous')}
        </Button>
        {pagesAround(page, pages).map((number) => (
          <Button
            key={number}
            size="small"
            type={number === page ? 'primary' : 'default'}
            aria-current={number === page ? 'page' : undefined}
            aria-label={t('table.page', { page: number })}
            onClick={() => paging.go(number)}
          >
            {number}
          </Button>
        ))}
        <Button size="small" disabled={page >= pages} onClick={() => paging.go(page + 1)}>
          {t('table.next')}
        </Button>
        <Button size="small" disabled={page >= pages} onClick={() => paging.go(pages)}>
          {t('table.last')}
        </Button>
        <Input
          size="small"
          style={{ width: 56 }}
          inputMode="numeric"
          aria-label={t('table.goTo')}
          value={typed}
          onChange={(event) => setTyped(event.target.value)}
          onPressEnter={goTyped}
        />
        <Button size="small" onClick={goTyped}>
          {t('table.go')}
        </Button>
      </Space>
    </div>
  );
}
