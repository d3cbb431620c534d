export const zh = {
  title: '快速接入',
} as const;
