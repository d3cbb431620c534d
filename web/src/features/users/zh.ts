export const zh = {
  title: '应用用户管理',
} as const;
