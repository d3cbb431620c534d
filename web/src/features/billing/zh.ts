export const zh = {
  title: '用量与账单',
} as const;
