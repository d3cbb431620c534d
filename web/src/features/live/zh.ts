export const zh = {
  title: '实时消息',
} as const;
