export const zh = {
  title: '概览',
} as const;
