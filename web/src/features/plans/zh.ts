export const zh = {
  title: '套餐',
} as const;
