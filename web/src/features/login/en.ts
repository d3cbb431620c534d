import type { Translation } from '@/components/i18n';
import type { zh } from './zh';

export const en: Translation<typeof zh> = {
  title: 'Log in',
  product: 'Firn Messaging Console',
  tenant: 'Tenant ID',
  'tenant.hint': 'empty for the operator',
  'tenant.wrong': 'A tenant ID is a number',
  username: 'User name',
  password: 'Password',
  'username.missing': 'Enter the user name',
  'password.missing': 'Enter the password',
  submit: 'Log in',
  expired: 'The login has ended; log in again',
  failed: 'The login failed',
  wrong: 'Tenant, user name or password are not right',
  language: '中文',
};
