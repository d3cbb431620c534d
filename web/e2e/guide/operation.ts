/** Columns, fields and actions of the pages beyond the guide that the deployment and tenants are run with. */

export const TENANTS = {
  title: '租户',
  tabs: ['租户列表', '删除证明'],
  list: { name: '租户列表', columns: ['租户Id', '租户名', '实例数', '操作'], actions: ['管理', '修改', '删除'] },
  instances: {
    name: '实例列表',
    columns: ['实例ID', '实例名称', '状态', '套餐', 'Broker', '创建时间', '到期时间'],
  },
  removals: {
    name: '删除证明',
    columns: ['删除时间', '租户Id', '类型', '编号', '名称', '操作者', '状态', '擦除完成时间', '擦除对象数', '擦除字节数', '操作'],
  },
} as const;

export const PLANS = {
  title: '套餐',
  tabs: ['套餐列表', '价目表'],
  list: {
    name: '套餐列表',
    columns: ['套餐名称', 'TPS峰值', '主题TPS上限', '突发时长(秒)', 'Topic数上限', '订阅组数上限', 'Broker数上限', '存储空间', '保留时长(小时)', '消息大小上限(字节)', '连接数上限', '价目表'],
  },
  prices: { name: '价目表', columns: ['价目表', '版本', '生效时间', '币种', '价格项数'], items: ['计费项', '单价', '计价数量'] },
} as const;

export const BILLING = {
  title: '用量与账单',
  tabs: ['用量', '账单'],
  usage: {
    name: '用量明细',
    columns: ['时间', '生产消息数', '生产计费条数', '生产字节数', '消费消息数', '消费计费条数', '消费字节数', 'API调用次数', '热存储(字节·小时)', '冷存储(字节·小时)'],
    topic: 'Topic',
  },
  bill: {
    name: '账单明细',
    columns: ['实例', '实例ID', '套餐', '计费项', '用量', '单价', '价目表', '类型', '金额'],
    actions: ['核对', '下载JSON', '下载CSV', '打印'],
  },
} as const;

export const AUDIT = {
  title: '审计日志',
  filters: ['时间范围', '操作者', '操作', '结果', '实例'],
  columns: ['时间', '操作者', '操作', '对象', '结果', '请求编号', '详情'],
  tenant: '租户',
  export: '导出CSV',
} as const;

export const ACCESS = {
  title: '控制台用户与API令牌',
  tabs: ['控制台用户', 'API令牌'],
  users: { name: '控制台用户', columns: ['用户名', '角色', '操作'], actions: ['修改角色', '重置密码', '删除'], create: '新建用户' },
  tokens: {
    name: 'API令牌',
    columns: ['名称', '令牌ID', '权限', '主题', '订阅组', '状态', '创建时间', '到期时间', '最近使用', '操作'],
    actions: ['吊销'],
    create: '新建令牌',
  },
} as const;
