export const zh = {
  title: '拨测页面',
} as const;
