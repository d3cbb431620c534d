import { describe, expect, it } from 'vitest';
import type { Instance } from '@/api/shared';
import { exportPath, FILE_BYTES_MAX, fileFault, fileName, templatePath } from './files';

const instance = { id: '7', name: 'demo' } as Instance;

describe('files', () => {
  it('are refused before they are sent when they cannot be right', () => {
    expect(fileFault({ name: 'a.CSV', size: 1 })).toBe(null);
    expect(fileFault({ name: 'a.xlsx', size: FILE_BYTES_MAX })).toBe(null);
    expect(fileFault({ name: 'a.xlsx', size: FILE_BYTES_MAX + 1 })).toBe('large');
    expect(fileFault({ name: 'a.csv', size: 0 })).toBe('empty');
    for (const name of ['a.xls', 'csv', 'a.csv.zip', 'acsv']) {
      expect(fileFault({ name, size: 1 })).toBe('type');
    }
  });

  it('are asked for with what was ticked, else with all', () => {
    expect(templatePath(instance, 'topics')).toBe('/v1/instances/7/topics/template?format=csv');
    expect(exportPath(instance, 'groups', 'xlsx', { names: [], brokers: [] })).toBe(
      '/v1/instances/7/groups/export?format=xlsx',
    );
    const path = exportPath(instance, 'groups', 'csv', { names: ['a@x', 'b'], brokers: ['y'] });
    const query = new URL(path, 'http://localhost').searchParams;
    expect(query.get('names')).toBe('a@x,b');
    expect(query.get('brokers')).toBe('y');
  });

  it('are named by the service, and never with a path', () => {
    expect(fileName('attachment; filename="groups.xlsx"', 'x')).toBe('groups.xlsx');
    expect(fileName(null, 'x')).toBe('x');
    expect(fileName('attachment; filename="../a.csv"', 'x')).toBe('x');
  });
});
