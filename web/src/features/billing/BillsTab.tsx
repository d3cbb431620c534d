import { DownloadOutlined, PrinterOutlined } from '@ant-design/icons';
import { useMutation, useQuery } from '@tanstack/react-query';
import { Alert, Button, Descriptions, Form, Select, Space } from 'antd';
import { useNavigate, useSearchParams } from 'react-router';
import { usePoll } from '@/api/poll';
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

/** Works the bill out anew, and says what came of it. */
function Verification({ tenant, month }: Props) {
  const t = useMessages({ zh, en });
  const run = useMutation({ mutationFn: () => verify(tenant, month) });
  const found = run.data;
  return (
    <>
      <Button loading={run.isPending} autoInsertSpace={false} onClick={() => run.mutate()}>
        {t('verify')}
      </Button>
      {run.error !== null && <Failure error={run.error} />}
      {found !== undefined && (
        <Alert
          className="whole-row"
          role="status"
          showIcon
          closable={{ 'aria-label': t('verify.close'), onClose: () => run.reset() }}
          type={found.differences.length === 0 ? 'success' : 'error'}
          title={
            found.differences.length === 0 ? t('verify.right') : t('verify.wrong', { count: found.differences.length })
          }
          description={
            <>
              <p>{t('verify.read', { events: found.events, hours: found.hours })}</p>
              {found.differences.length > 0 && (
                <ul>
                  {found.differences.map((difference) => (
                    <li key={difference}>{difference}</li>
                  ))}
                </ul>
              )}
            </>
          }
        />
      )}
    </>
  );
}

function Actions({ tenant, month }: Props) {
  const t = useMessages({ zh, en });
  const navigate = useNavigate();
  const download = useMutation({ mutationFn: (form: 'json' | 'csv') => downloadBill(tenant, month, form) });
  return (
    <Space wrap style={{ marginBottom: 16, width: '100%' }}>
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
      <Verification key={`${tenant}/${month}`} tenant={tenant} month={month} />
      {download.error !== null && <Failure error={download.error} />}
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
          <Actions tenant={tenant} month={month} />
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
