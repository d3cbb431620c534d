export const zh = {
  title: '生产组查询',
} as const;
