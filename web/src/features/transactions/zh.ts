export const zh = {
  title: '事务消息',
} as const;
