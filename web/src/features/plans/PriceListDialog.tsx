import { DeleteOutlined, PlusOutlined } from '@ant-design/icons';
import { useQueryClient } from '@tanstack/react-query';
import { AutoComplete, Button, DatePicker, Form, Input, InputNumber, Select } from 'antd';
import dayjs, { type Dayjs } from 'dayjs';
import { useState } from 'react';
import { api, call } from '@/api/client';
import { FormDialog } from '@/components/FormDialog';
import { useMessages } from '@/components/i18n';
import { microsOfText, moneyText } from '@/components/money';
import { en } from './en';
import { isFutureHour, ITEMS, newestOf, nextHour, priceListsQuery, type PriceList } from './priceLists';
import { zh } from './zh';

interface Row {
  item: string;
  price: string;
  per: number;
}

interface Values {
  name: string;
  validFrom: Dayjs;
  currency: string;
  prices: Row[];
}

const PER_MAX = 2 ** 40;
const MICROS_MAX = 1e12;

function rowsOf(list: PriceList | null): Row[] {
  return (list?.prices ?? []).map(({ item, micros, per }) => ({ item, price: moneyText(micros), per }));
}

/** The next version of a list, or the first of a new one; it starts with the prices of now. */
export default function PriceListDialog({ lists, onClose }: { lists: readonly PriceList[]; onClose: () => void }) {
  const t = useMessages({ zh, en });
  const queries = useQueryClient();
  const names = [...new Set(lists.map(({ name }) => name))];
  const [first = 'standard'] = names;
  const newest = newestOf(lists, first);
  const [start] = useState(() => nextHour(Date.now()));
  const initial: Partial<Values> = {
    name: first,
    validFrom: dayjs(Math.max(start, (newest?.validFrom ?? 0) + 3_600_000)),
    currency: newest?.currency ?? 'USD',
    prices: rowsOf(newest),
  };
  const save = async ({ name, validFrom, currency, prices }: Values) => {
    const body = {
      name,
      validFrom: validFrom.valueOf(),
      currency,
      prices: prices.map(({ item, price, per }) => ({ item, micros: microsOfText(price) ?? 0, per })),
    };
    await call(api.POST('/v1/price-lists', { body }));
    await queries.invalidateQueries({ queryKey: priceListsQuery.queryKey });
  };
  const hour = (_: unknown, at: Dayjs | null) =>
    at !== null && isFutureHour(at.valueOf(), Date.now()) ? Promise.resolve() : Promise.reject(new Error(t('hour.past')));
  const price = (_: unknown, text: string | undefined) => {
    const micros = microsOfText(text ?? '');
    return micros !== null && micros <= MICROS_MAX ? Promise.resolve() : Promise.reject(new Error(t('price.hint')));
  };
  return (
    <FormDialog<Values> title={t('prices.create')} initial={initial} save={save} done={t('prices.done')} onClose={onClose} width={720}>
      <div className="field-columns">
        <Form.Item
          name="name"
          label={t('priceList')}
          rules={[{ required: true, pattern: /^[A-Za-z0-9_-]{1,64}$/, message: t('name.hint') }]}
        >
          <AutoComplete options={names.map((value) => ({ value }))} />
        </Form.Item>
        <Form.Item name="currency" label={t('currency')} rules={[{ required: true, pattern: /^[A-Z]{3}$/, message: t('currency.hint') }]}>
          <Input maxLength={3} placeholder={t('currency.hint')} />
        </Form.Item>
        <Form.Item name="validFrom" label={t('validFrom')} rules={[{ required: true, validator: hour }]}>
          <DatePicker showTime={{ format: 'HH:mm' }} format="YYYY-MM-DD HH:mm" style={{ width: '100%' }} />
        </Form.Item>
      </div>
      <Form.List
        name="prices"
        rules={[
          {
            validator: (_, rows: Row[] | undefined) =>
              rows !== undefined && rows.length > 0 ? Promise.resolve() : Promise.reject(new Error(t('items.missing'))),
          },
        ]}
      >
        {(fields, { add, remove }, { errors }) => (
          <fieldset className="price-rows">
            <legend>{t('items')}</legend>
            {fields.map(({ key, name }) => (
              <div className="price-row" key={key}>
                <Form.Item
                  name={[name, 'item']}
                  label={t('item')}
                  rules={[
                    { required: true, message: t('item.missing') },
                    ({ getFieldValue }) => ({
                      validator: (_, item: string) => {
                        const rows = (getFieldValue('prices') as Partial<Row>[] | undefined) ?? [];
                        return rows.filter((row) => row.item === item).length > 1
                          ? Promise.reject(new Error(t('item.twice')))
                          : Promise.resolve();
                      },
                    }),
                  ]}
                >
                  <Select options={ITEMS.map((item) => ({ value: item, label: t(`item.${item}`) }))} />
                </Form.Item>
                <Form.Item name={[name, 'price']} label={t('price')} rules={[{ required: true, validator: price }]}>
                  <Input inputMode="decimal" />
                </Form.Item>
                <Form.Item name={[name, 'per']} label={t('per')} rules={[{ required: true, message: t('per.hint') }]}>
                  <InputNumber style={{ width: '100%' }} min={1} max={PER_MAX} precision={0} controls={false} />
                </Form.Item>
                <Button type="text" danger icon={<DeleteOutlined />} aria-label={t('item.remove')} onClick={() => remove(name)} />
              </div>
            ))}
            <Form.ErrorList errors={errors} />
            <Button icon={<PlusOutlined />} onClick={() => add({ price: '', per: 1 })}>
              {t('item.add')}
            </Button>
          </fieldset>
        )}
      </Form.List>
    </FormDialog>
  );
}
