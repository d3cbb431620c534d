export const zh = {
  title: '审计日志',
} as const;
