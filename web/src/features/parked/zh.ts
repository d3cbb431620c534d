export const zh = {
  title: '顺序暂停组',
} as const;
