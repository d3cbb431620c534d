export const zh = {
  title: '消费组查询',
} as const;
