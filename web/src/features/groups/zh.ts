export const zh = {
  title: '订阅组管理',
} as const;
