/** What specs start from: `import { test, expect } from './fixtures'`. */
import AxeBuilder from 'axe-core';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { test as base, expect, type Locator, type Page } from '@playwright/test';
import { ADMIN, seed } from './seed';
import { startService, type Service } from './service';

export type Language = 'zh' | 'en';
export const LANGUAGES: readonly Language[] = ['zh', 'en'];

interface Person {
  tenant: string;
  username: string;
  password: string;
}

export class Console {
  /** What the browser complained about: scripts that failed, content that the policy refused. */
  readonly complaints: string[] = [];

  constructor(
    readonly page: Page,
    readonly service: Service,
  ) {
    page.on('pageerror', (error) => this.complaints.push(error.message));
    page.on('console', (message) => {
      // Answers that are refused are shown by the page, and not faults of it.
      if (message.type() === 'error' && !message.text().startsWith('Failed to load resource')) {
        this.complaints.push(message.text());
      }
    });
  }

  url(path: string): string {
    return `${this.service.web}/console${path}`;
  }

  /** Logs in, in a language, and stays on the page of a path such as `/i/demo/topics`. */
  async open(path: string, { as = ADMIN, language = 'zh' }: { as?: Person; language?: Language } = {}): Promise<void> {
    await this.page.addInitScript((chosen) => localStorage.setItem('firn.language', chosen), language);
    await this.page.goto(this.url(path));
    await this.logIn(as);
  }

  async logIn({ tenant, username, password }: Person): Promise<void> {
    await this.page.locator('#tenant').fill(tenant);
    await this.page.locator('#username').fill(username);
    await this.page.locator('#password').fill(password);
    await this.page.locator('button[type=submit]').click();
    await expect(this.page.locator('main h1')).toBeVisible();
    await expect(this.page.locator('#password')).toHaveCount(0);
  }

  /** Goes on without a new login: by the history, as a click on a link does. */
  async go(path: string): Promise<void> {
    await this.page.goto(this.url(path));
    await expect(this.page.locator('main h1')).toBeVisible();
  }

  /** A `GuideTable` by its name. */
  table(name: string): Locator {
    return this.page.getByRole('region', { name, exact: true });
  }

  /** Titles of the columns of a table, in order; a column of boxes has none. */
  async columns(name: string): Promise<string[]> {
    const titles = await this.table(name).locator('thead').first().locator('th').allInnerTexts();
    return titles.map((title) => title.trim()).filter((title) => title !== '');
  }

  /** Fails with what axe finds wrong for those who do not see, or do not use a mouse. */
  async accessible(): Promise<void> {
    const source = AxeBuilder.source;
    await this.page.evaluate(source);
    const violations = await this.page.evaluate(async () => {
      const { axe } = window as unknown as { axe: typeof AxeBuilder };
      const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa'];
      const found = await axe.run(document, { runOnly: { type: 'tag', values: tags } });
      return found.violations.map(({ id, help, nodes }) => `${id}: ${help}\n  ${nodes.map(({ html }) => html).join('\n  ')}`);
    });
    expect(violations.join('\n')).toBe('');
  }

  /** With `E2E_SHOTS=1`: the page as a picture, `screenshots/NAME-LANGUAGE.png`. */
  async shot(name: string, language: Language): Promise<void> {
    if (process.env['E2E_SHOTS'] !== '1') {
      return;
    }
    const folder = join(import.meta.dirname, 'screenshots');
    mkdirSync(folder, { recursive: true });
    await this.page.mouse.move(0, 0);
    await this.page.screenshot({ path: join(folder, `${name}-${language}.png`), animations: 'disabled' });
  }
}

/** A service for each file of specs: what one did is not in another's way. */
class Services {
  private file = '';
  private service: Service | null = null;

  async of(file: string): Promise<Service> {
    if (this.service === null || this.file !== file) {
      await this.stop();
      this.service = await startService();
      await seed(this.service);
      this.file = file;
    }
    return this.service;
  }

  async stop(): Promise<void> {
    await this.service?.stop();
    this.service = null;
  }
}

export const test = base.extend<{ console: Console; service: Service }, { services: Services }>({
  services: [
    // eslint-disable-next-line no-empty-pattern -- Playwright reads the names of what is used
    async ({}, use) => {
      const services = new Services();
      await use(services);
      await services.stop();
    },
    { scope: 'worker' },
  ],
  service: [
    async ({ services }, use, test) => {
      await use(await services.of(test.file));
    },
    { timeout: 120_000 },
  ],
  console: async ({ page, service }, use) => {
    const started = new Console(page, service);
    await use(started);
    expect(started.complaints).toEqual([]);
  },
});

export { expect };
