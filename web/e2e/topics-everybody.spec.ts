import { expect, LANGUAGES, test } from './fixtures';
import { act, LIST, rowOf } from './topics';

test.describe('S-22 6.5 主题管理 for everybody', () => {
  for (const language of LANGUAGES) {
    test(`the list can be used by everybody (${language})`, async ({ console: it }) => {
      await it.open(LIST, { language });
      await expect(rowOf(it, 'orders')).toBeVisible();
      await it.accessible();
      await it.shot('topics', language);
      await it.page.setViewportSize({ width: 390, height: 800 });
      await it.accessible();
      await it.shot('topics-390', language);
      const { scroll, width } = await it.page.evaluate(() => ({ scroll: document.documentElement.scrollWidth, width: innerWidth }));
      expect(scroll).toBeLessThanOrEqual(width);
    });

    test(`the dialogs can be used by everybody (${language})`, async ({ console: it }) => {
      await it.open(LIST, { language });
      const zh = language === 'zh';
      const ACTIONS: [string, string, string][] = [
        ['route', '路由', 'Route'],
        ['depth', '堆积量', 'Backlog'],
        ['tps', 'TPS监控', 'TPS'],
        ['change', '修改', 'Change'],
        ['reset', '重置消费位置', 'Reset'],
        ['remove', '删除', 'Delete'],
      ];
      for (const [name, chinese, english] of ACTIONS) {
        const dialog = await act(it, 'orders', zh ? chinese : english);
        const shown = { route: 'tr[data-row-key] td', depth: 'tr[data-row-key] td', tps: 'canvas', change: 'textarea', reset: 'li', remove: 'input' }[name] ?? 'input';
        await expect(dialog.locator(shown).first()).toBeVisible();
        await it.accessible();
        await it.shot(`topics-${name}`, language);
        await it.page.keyboard.press('Escape');
        await expect(dialog).toHaveCount(0);
      }
      await it.page.getByRole('button', { name: zh ? '新建主题' : 'New topic' }).click();
      await expect(it.page.getByRole('dialog')).toBeVisible();
      await it.accessible();
      await it.shot('topics-create', language);
    });

    test(`the details can be used by everybody (${language})`, async ({ console: it }) => {
      await it.open(`${LIST}/orders`, { language });
      await expect(it.page.locator('tbody tr[data-row-key]').first()).toBeVisible();
      await it.accessible();
      await it.shot('topics-detail', language);
      await it.page.locator('tbody tr[data-row-key] button').first().click();
      const dialog = it.page.getByRole('dialog');
      await dialog.getByRole('button', { name: language === 'zh' ? '查询' : 'Search' }).click();
      await expect(dialog.locator('tbody tr[data-row-key]')).toHaveCount(1);
      await it.accessible();
      await it.shot('topics-offset', language);
    });
  }

  test('the list and a dialog in dark colours', async ({ console: it }) => {
    await it.page.addInitScript(() => localStorage.setItem('firn.colours', 'dark'));
    await it.open(LIST);
    await expect(rowOf(it, 'orders')).toBeVisible();
    await it.accessible();
    await act(it, 'orders', 'TPS监控');
    await expect(it.page.locator('.plot canvas')).toBeVisible();
    await it.accessible();
    await it.shot('topics-dark', 'zh');
  });
});
