import { Spin } from 'antd';
import { lazy, Suspense } from 'react';
import { Route, Routes } from 'react-router';
import { ListPage } from './ListPage';

const DetailPage = lazy(() => import('./DetailPage'));

/** 「主题管理」 and, below it, 「详细信息」 of one topic. */
export function Component() {
  return (
    <Suspense fallback={<Spin />}>
      <Routes>
        <Route index element={<ListPage />} />
        <Route path=":topic" element={<DetailPage />} />
      </Routes>
    </Suspense>
  );
}
