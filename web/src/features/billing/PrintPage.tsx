import { PrinterOutlined } from '@ant-design/icons';
import { useQuery } from '@tanstack/react-query';
import { Button, Space } from 'antd';
import { Link, Navigate, useSearchParams } from 'react-router';
import { useMessages } from '@/components/i18n';
import { Page } from '@/components/Page';
import { QueryState } from '@/components/QueryState';
import { useTenant } from '@/components/tenant';
import { billOf, lineKey, type Bill } from './bills';
import { en } from './en';
import { lineCells } from './lineCells';
import { zh } from './zh';

function Lines({ bill }: { bill: Bill }) {
  const t = useMessages({ zh, en });
  return (
    <div className="printed-table" role="region" aria-label={t('bill')} tabIndex={0}>
      <table>
        <thead>
          <tr>
            <th scope="col">{t('bill.instance')}</th>
            <th scope="col">{t('bill.plan')}</th>
            <th scope="col">{t('bill.item')}</th>
            <th scope="col">{t('bill.quantity')}</th>
            <th scope="col">{t('bill.price')}</th>
            <th scope="col">{t('bill.list')}</th>
            <th scope="col">{t('bill.kind')}</th>
            <th scope="col">{t('amount')}</th>
          </tr>
        </thead>
        <tbody>
          {bill.lines.map((line) => {
            const cells = lineCells(line, bill, t);
            return (
              <tr key={lineKey(line)}>
                <td>{line.instanceName}</td>
                <td>{line.plan}</td>
                <td>{cells.item}</td>
                <td className="number">{cells.quantity}</td>
                <td className="number">{cells.price}</td>
                <td>{cells.list}</td>
                <td>{cells.kind}</td>
                <td className="number">{cells.amount}</td>
              </tr>
            );
          })}
        </tbody>
        <tfoot>
          <tr>
            <th scope="row" colSpan={7}>
              {t('total')}
            </th>
            <td className="number">{`${bill.total} ${bill.currency}`}</td>
          </tr>
        </tfoot>
      </table>
    </div>
  );
}

/** All lines of a bill on one page; on paper without menu and buttons. */
export function PrintPage() {
  const t = useMessages({ zh, en });
  const { tenant } = useTenant();
  const month = useSearchParams()[0].get('month') ?? '';
  const query = useQuery({
    queryKey: ['bill', tenant, month],
    queryFn: () => billOf(tenant ?? 0, month),
    enabled: tenant !== null && month !== '',
  });
  if (tenant === null || month === '') {
    return <Navigate to="/billing?tab=bills" replace />;
  }
  return (
    <Page
      title={t('print.title', { tenant, month })}
      extra={
        <Space className="not-printed">
          <Link to={`/billing?tab=bills&tenant=${tenant}&month=${month}`}>{t('print.back')}</Link>
          <Button type="primary" icon={<PrinterOutlined />} autoInsertSpace={false} onClick={() => window.print()}>
            {t('print')}
          </Button>
        </Space>
      }
    >
      <QueryState query={query}>
        {(bill) => (
          <>
            <p>{t(bill.isClosed ? 'closed' : 'open')}</p>
            <Lines bill={bill} />
          </>
        )}
      </QueryState>
    </Page>
  );
}
