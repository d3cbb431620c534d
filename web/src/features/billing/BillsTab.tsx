import { DownloadOutlined, PrinterOutlined } from '@ant-design/icons';
import { useMutation, useQuery } from '@tanstack/react-query';
import { Alert, Button, Descriptions, Form, Select, Space } from 'antd';
import { useNavigate, useSearchParams } from 'react-router';
import { usePoll } from '@/api/poll';
import type { Schemas } from '@/api/shared';
import { Failure } from '@/components/Failure';
import { GuideTable, type Columns } from '@/components/GuideTable';
import { useMessages } from '@/components/i18n';
import { NoData, QueryState } from '@/components/QueryState';
import { Status } from '@/components/Status';
import { TenantField } from '@/components/tenant';
import { billOf, downloadBill, lineKey, monthsOf, verify, type Bill, type BillLine } from './bills';
import { en } from './en';
import { lineCells } from './lineCells';
import { zh } from './zh';

interface Props {
  tenant: number;
  month: string;
}

/** What came of working the bill out anew. */
function Verification({ found, onClose }: { found: Schemas['VerificationJson']; onClose: () => void }) {
  const t = useMessages({ zh, en });
  const { differences, events, hours } = found;
  return (
    <Alert
      role="status"
      showIcon
      closable={{ 'aria-label': t('verify.close'), onClose }}
      type={differences.length === 0 ? 'success' : 'error'}
      title={differences.length === 0 ? t('verify.right') : t('verify.wrong', { count: differences.length })}
      description={
        <>
          {t('verify.read', { events, hours })}
          {differences.length > 0 && (
            <ul>
              {differences.map((difference) => (
                <li key={difference}>{difference}</li>
              ))}
            </ul>
          )}
        </>
      }
    />
  );
}

function Actions({ tenant, month }: Props) {
  const t = useMessages({ zh, en });
  const navigate = useNavigate();
  const download = useMutation({ mutationFn: (form: 'json' | 'csv') => downloadBill(tenant, month, form) });
  const verification = useMutation({ mutationFn: () => verify(tenant, month) });
  return (
    <Space orientation="vertical" style={{ width: '100%' }}>
      <Space wrap>
        <Button icon={<DownloadOutlined />} loading={download.isPending} onClick={() => download.mutate('json')}>
          {t('json')}
        </Button>
        <Button icon={<DownloadOutlined />} loading={download.isPending} onClick={() => download.mutate('csv')}>
          {t('csv')}
        </Button>
        <Button
          icon={<PrinterOutlined />}
          autoInsertSpace={false}
          onClick={() => void navigate(`/billing/print?tenant=${tenant}&month=${month}`)}
        >
          {t('print')}
        </Button>
        <Button loading={verification.isPending} autoInsertSpace={false} onClick={() => verification.mutate()}>
          {t('verify')}
        </Button>
      </Space>
      {download.error !== null && <Failure error={download.error} />}
      {verification.error !== null && <Failure error={verification.error} />}
      {verification.data !== undefined && <Verification found={verification.data} onClose={() => verification.reset()} />}
    </Space>
  );
}

function useColumns(bill: Bill | undefined): Columns<BillLine> {
  const t = useMessages({ zh, en });
  const cells = (line: BillLine) => (bill === undefined ? null : lineCells(line, bill, t));
  return [
    { key: 'instance', title: t('bill.instance'), dataIndex: 'instanceName' },
    { key: 'id', title: t('bill.id'), dataIndex: 'instance' },
    { key: 'plan', title: t('bill.plan'), dataIndex: 'plan' },
    { key: 'item', title: t('bill.item'), render: (_, line) => cells(line)?.item },
    { key: 'quantity', title: t('bill.quantity'), align: 'right', render: (_, line) => cells(line)?.quantity },
    { key: 'price', title: t('bill.price'), align: 'right', render: (_, line) => cells(line)?.price },
    { key: 'list', title: t('bill.list'), render: (_, line) => cells(line)?.list },
    {
      key: 'kind',
      title: t('bill.kind'),
      render: (_, line) => <Status is={line.isCorrection ? 'waiting' : 'plain'}>{cells(line)?.kind}</Status>,
    },
    { key: 'amount', title: t('amount'), align: 'right', render: (_, line) => cells(line)?.amount },
  ];
}

function Shown({ tenant, month }: Props) {
  const t = useMessages({ zh, en });
  const query = usePoll({ queryKey: ['bill', tenant, month], queryFn: () => billOf(tenant, month), every: 60_000 });
  const columns = useColumns(query.data);
  return (
    <QueryState query={query}>
      {(bill) => (
        <>
          <Descriptions
            size="small"
            bordered
            column={{ xs: 1, md: 3 }}
            items={[
              { key: 'month', label: t('month'), children: bill.month },
              {
                key: 'state',
                label: t('bill.kind'),
                children: <Status is={bill.isClosed ? 'good' : 'waiting'}>{t(bill.isClosed ? 'closed' : 'open')}</Status>,
              },
              { key: 'total', label: t('total'), children: <strong>{`${bill.total} ${bill.currency}`}</strong> },
            ]}
          />
          <Actions key={`${tenant}/${month}`} tenant={tenant} month={month} />
          {bill.lines.some(({ isCorrection }) => isCorrection) && <p>{t('bill.correction.note')}</p>}
          <GuideTable name={t('bill')} columns={columns} rowKey={lineKey} query={query} rows={bill.lines} />
        </>
      )}
    </QueryState>
  );
}

/** Bills of the tenant, one month at a time, the newest first. */
export function BillsTab({ tenant }: { tenant: number }) {
  const t = useMessages({ zh, en });
  const [params, setParams] = useSearchParams();
  const query = useQuery({ queryKey: ['bills', tenant], queryFn: () => monthsOf(tenant) });
  const months = query.data ?? [];
  const asked = params.get('month');
  const month = asked !== null && months.includes(asked) ? asked : months[0];
  const choose = (next: string) =>
    setParams(
      (before) => {
        const changed = new URLSearchParams(before);
        changed.set('month', next);
        return changed;
      },
      { replace: true },
    );
  return (
    <>
      <Form layout="inline" className="filter-bar">
        <TenantField required />
        <Form.Item label={t('month')} htmlFor="bill-month">
          <Select
            id="bill-month"
            className="filter-field"
            aria-label={t('month')}
            value={month ?? null}
            options={months.map((value) => ({ value, label: value }))}
            onChange={choose}
          />
        </Form.Item>
      </Form>
      <QueryState query={query}>
        {() =>
          month === undefined ? (
            <>
              <p>{t('month.none')}</p>
              <NoData />
            </>
          ) : (
            <Shown tenant={tenant} month={month} />
          )
        }
      </QueryState>
    </>
  );
}
