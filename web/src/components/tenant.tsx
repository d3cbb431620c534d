/** The tenant that a page is about: a person's own, or for the operator the one that the address names. */
import { useQuery } from '@tanstack/react-query';
import { Form, Select } from 'antd';
import { useSearchParams } from 'react-router';
import { tenantsQuery } from '@/api/shared';
import { en } from './en';
import { useMessages } from './i18n';
import { usePerson } from './session';
import { zh } from './zh';

const KEY = 'tenant';

/** A tenant's number as addresses have it. */
export function tenantMeant(text: string | null): number | null {
  const number = text !== null && /^\d{1,16}$/.test(text) ? Number(text) : 0;
  return Number.isSafeInteger(number) && number > 0 ? number : null;
}

interface Chosen {
  /** `null` until the operator has chosen one. */
  tenant: number | null;
  choose: (tenant: number | null) => void;
  /** Whether there is something to choose. */
  isOpen: boolean;
}

export function useTenant(): Chosen {
  const { person } = usePerson();
  const [params, setParams] = useSearchParams();
  const isOpen = person.tenant === null;
  return {
    isOpen,
    tenant: person.tenant ?? tenantMeant(params.get(KEY)),
    choose: (tenant) =>
      setParams(
        (before) => {
          const next = new URLSearchParams(before);
          if (tenant === null) {
            next.delete(KEY);
          } else {
            next.set(KEY, String(tenant));
          }
          next.delete('page');
          return next;
        },
        { replace: true },
      ),
  };
}

/** 「租户」, for the operator alone. */
export function TenantField({ required = false }: { required?: boolean }) {
  const t = useMessages({ zh, en });
  const { tenant, choose, isOpen } = useTenant();
  const tenants = useQuery({ ...tenantsQuery, enabled: isOpen }).data ?? [];
  if (!isOpen) {
    return null;
  }
  const options = tenants.map(({ id, name }) => ({ value: id, label: `${name} (${id})` }));
  return (
    <Form.Item label={t('tenant')} required={required} htmlFor="filter-tenant">
      <Select<number>
        id="filter-tenant"
        className="filter-field"
        aria-label={t('tenant')}
        placeholder={t(required ? 'tenant.choose' : 'filter.all')}
        allowClear={!required}
        showSearch={{ optionFilterProp: 'label' }}
        value={tenant}
        options={options}
        onChange={(chosen: number | undefined) => choose(chosen ?? null)}
      />
    </Form.Item>
  );
}
