/** Labels and columns of the pages beyond the guide, typed in from their brief and never from the code. */

export const DEAD_LETTERS = {
  title: '死信',
  filters: ['集群', '订阅组名', '原主题', '标签', '起始时间'],
  columns: ['MsgID', '原主题', '标签', 'key', '消息体', '进入死信时间', '操作'],
  actions: { view: '查看', all: '全部重投', ticked: (count: number) => `重投选中（${count}）`, purge: '清空' },
  redrive: { title: '重投死信', ok: '重投', fields: ['目标', '速率（条/秒）', '最多条数'], targets: ['原主题（所有订阅组都会收到）'] },
} as const;

export const TRANSACTIONS = {
  title: '事务消息',
  filters: ['集群', '主题', '状态'],
  columns: ['MsgID', '事务ID', '生产组名', '标签', 'key', '开始时间', '回查次数', '下次回查时间', '状态', '操作'],
  actions: { view: '查看', commit: '提交', rollback: '回滚' },
  states: { open: '未决', givenUp: '已放弃回查' },
} as const;

export const PARKED = {
  title: '顺序暂停组',
  filters: ['集群', '订阅组名'],
  parked: {
    name: '已暂停的消息组',
    columns: ['订阅组名', '主题', '消息组', '原因', '暂停时间', '已暂停', 'MsgID', 'Broker', '队列ID', '逻辑偏移量', '操作'],
    actions: { view: '查看', retry: '重试', skip: '跳过', deadLetter: '转死信' },
  },
  blocked: {
    name: '未消费完的队列',
    columns: ['订阅组名', '主题', '状态', 'Broker', '队列ID', '未消费', '已拉取，未签收', '最早未完成的消息', '消息组', '最早消息存储时间', '失败处理', '操作'],
    actions: { view: '查看', park: '改为暂停' },
  },
} as const;

export const LIVE = {
  title: '实时消息',
  filters: ['集群', '主题', '过滤方式', '过滤表达式'],
  columns: ['存储时间', 'MsgID', '标签', 'key', '消息组', 'Broker', '队列ID', '逻辑偏移量', '消息体', '操作'],
  actions: { pause: '暂停', resume: '继续', clear: '清空列表', view: '查看' },
} as const;

export const QUOTA = {
  title: '配额',
  limits: {
    name: '用量与上限',
    columns: ['上限项', '已用', '上限', '使用率'],
    rows: ['主题数', '订阅组数', 'Broker 数', '存储空间', '客户端连接数', '单个主题 TPS', '单条消息体', '消息保留时长（小时）'],
  },
  refused: { name: '最近一小时被拒绝的请求', columns: ['上限名称', '原因', '对象', '上限', '次数', '最近一次'] },
} as const;

export const START = {
  title: '快速接入',
  fields: ['HTTP 地址', 'gRPC 地址', '应用用户', '主题', '订阅组'],
  ways: ['curl', 'firn CLI', 'Java', 'Go', 'Python', 'Node', 'Rust', 'Aliyun MQ HTTP (Python)', 'Aliyun MQ HTTP (Node)'],
} as const;
