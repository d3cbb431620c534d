export const zh = {
  title: '租户',
} as const;
