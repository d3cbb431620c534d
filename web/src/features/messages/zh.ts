export const zh = {
  title: '消息查询',
} as const;
