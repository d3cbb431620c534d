export const zh = {
  template: '主题模板',
  probe: '拨测',
} as const;
