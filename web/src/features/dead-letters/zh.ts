export const zh = {
  title: '死信',
} as const;
