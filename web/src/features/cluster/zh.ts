export const zh = {
  title: '集群信息',
} as const;
