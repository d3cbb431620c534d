/** The list of topics, for the specs of its area. */
import type { Locator } from '@playwright/test';
import { type Console, expect } from './fixtures';
import { INSTANCE } from './seed';

export const LIST = `/i/${INSTANCE}/topics`;

export const rowOf = (it: Console, topic: string, broker = 'a') =>
  it
    .page.locator('.guide-table')
    .first()
    .getByRole('row')
    .filter({ has: it.page.getByRole('cell', { name: topic, exact: true }) })
    .filter({ has: it.page.getByRole('cell', { name: broker, exact: true }) });

/** Opens the dialog of a row's action. */
export async function act(it: Console, topic: string, action: string): Promise<Locator> {
  await rowOf(it, topic).getByText(action, { exact: true }).click();
  const dialog = it.page.getByRole('dialog');
  await expect(dialog).toBeVisible();
  return dialog;
}
