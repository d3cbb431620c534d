export const zh = {
  title: '生产组查询',
  'filter.broker': 'broker',
  'filter.group': '生产组名称',
  group: '生产组名',
  topic: 'topic名',
  actions: '操作',
  instances: '连接实例',
  'instances.title': '生产者管理',
  ip: 'IP',
  instance: '实例名',
  language: '客户端语言',
  version: '版本信息',
} as const;
