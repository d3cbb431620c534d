export const zh = {
  title: '主题管理',
} as const;
