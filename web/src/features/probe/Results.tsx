import { Alert, Button, Flex, Table, type TableColumnsType } from 'antd';
import { Failure } from '@/components/Failure';
import { useMessages } from '@/components/i18n';
import { NoData } from '@/components/QueryState';
import { usePerson } from '@/components/session';
import { useTablePlace } from '@/components/tables';
import { en } from './en';
import type { Test } from './useTest';
import { zh } from './zh';

/** 「测试」, and 「停止」 while a test runs. */
export function TestButtons({ test }: { test: Pick<Test<never>, 'isRunning' | 'stop'> }) {
  const t = useMessages({ zh, en });
  const { may } = usePerson();
  if (!may.manage) {
    return <Alert type="info" showIcon title={t('viewer')} />;
  }
  return (
    <Flex gap="small">
      <Button type="primary" htmlType="submit" autoInsertSpace={false} loading={test.isRunning}>
        {t('test')}
      </Button>
      {test.isRunning && (
        <Button autoInsertSpace={false} onClick={test.stop}>
          {t('stop')}
        </Button>
      )}
    </Flex>
  );
}

interface Props<Row> {
  name: string;
  test: Test<Row>;
  columns: TableColumnsType<Row>;
  /** How far it is. */
  progress: string;
  isGood: boolean;
}

/** What came of a test, as it comes. */
export function Results<Row extends object>({ name, test, columns, progress, isGood }: Props<Row>) {
  const place = useTablePlace();
  const type = test.isRunning ? 'info' : isGood ? 'success' : 'warning';
  return (
    <Flex vertical gap="middle">
      <div role="status">{test.count !== null && <Alert type={type} showIcon title={progress} />}</div>
      {test.error !== null && <Failure error={test.error} />}
      <section ref={place} aria-label={name}>
        <Table<Row & { at: number }>
          size="small"
          bordered
          rowKey="at"
          dataSource={test.rows.map((row, at) => ({ ...row, at }))}
          columns={columns as TableColumnsType<Row & { at: number }>}
          pagination={false}
          scroll={{ x: 'max-content' }}
          locale={{ emptyText: <NoData /> }}
        />
      </section>
    </Flex>
  );
}
