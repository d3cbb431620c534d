/**
 * Labels, columns and fields of the guide's console, typed in from chapter 6 of the
 * specification and never from the code: what the pages are checked against.
 */

/** The left menu, in order. */
export const MENU = [
  '实例列表',
  '概览',
  '集群信息',
  '应用用户管理',
  '主题管理',
  '订阅管理',
  '生产者实例查询',
  '消费者实例查询',
  '消息查询',
] as const;

/** Every table. */
export const TABLE = {
  footer: (page: number, pages: number, total: number) => `当前第${page}页, 共${pages}页, 共${total}条记录, 每页显示`,
  buttons: ['第一页', '上一页', '下一页', '最后一页', 'GO!'],
  sizes: ['5', '10', '15'],
  empty: '暂无数据',
} as const;

export const DIALOG = { save: '保存', cancel: '取消', note: '提示', confirm: '确定' } as const;

/** 6.1: the union of both variants. */
export const INSTANCES = {
  title: '实例列表',
  columns: ['实例ID', '实例名称', '状态', '类型', '计费模式', 'TPS峰值', 'Topic数上限', '存储空间', '专有网络', '创建时间', '到期时间', '操作'],
  actions: ['管理', '更多'],
  create: ['+ 新建MQ', '+ 创建实例'],
  values: { running: '运行中', basic: '基础版', intermediate: '中级版', period: '包周期', use: '按量付费' },
} as const;

/** 6.2; the columns are the fields of C1 in their order (5.2), named as chapter 6 names them where it does. */
export const OVERVIEW = {
  title: '概览',
  columns: ['主broker数', '从broker数', '在线生产组数', '在线消费组数', '历史消息数', '当前消息数', '集群名称', 'NameServer地址', '备注'],
  tabs: ['TPS监控', '全局堆积', '全局消息'],
  backlogMax: 20,
  stepMinutes: 2,
} as const;

/** 6.3 */
export const CLUSTER = {
  title: '集群信息',
  columns: ['brokerName', '主从编号', '地址', '版本', '生产TPS (1min)', '消费TPS (1min)', '昨日生产总数', '昨日消费总数', '今日生产总数', '今日消费总数', '操作'],
  actions: ['信息', '详情'],
  info: {
    columns: ['Key', 'Value'],
    keys: [
      'version', 'bootstrap time', 'broker id/pid', 'broker address', 'produce tps(10s,1min,10min)',
      'consumer tps(10s,1min,10min)', 'getFoundTps(10s,1min,10min)', 'getMissTps(10s,1min,10min)',
      'commitLogMinOffset', 'commitLogMaxOffset', 'consumeQueueDiskRatio', 'commitLogDiskRatio',
      'producerConnectionsNum', 'consumerConnectionsNum', 'topicNum', 'putMessageAverageSize',
      'putMessageTimesTotal', 'putMessageSizeTotal', 'getMessageEntireTimeMax', 'putMessageEntireTimeMax',
      'msgPutTotalTodayMorning', 'msgGetTotalTodayMorning', 'msgPutTotalYesterdayMorning',
      'msgGetTotalYesterdayMorning', 'msgPutTotalTodayNow', 'msgGetTotalTodayNow', 'dispatchBehindBytes',
      'dispatchMaxBuffer', 'sendThreadPoolQueueHeadWaitTimeMills', 'pullThreadPoolQueueHeadWaitTimeMills',
      'queryThreadPoolQueueHeadWaitTimeMills', 'commitLogDirCapacity', 'pullThreadPoolQueueSize', 'runtime',
      'startAcceptSendRequestTimeStamp', 'earliestMessageTimeStamp', 'remainHowManyDataToFlush',
      'remainTransientStoreBufferNumbs', 'sendThreadPoolQueueCapacity', 'pullThreadPoolQueueCapacity',
      'queryThreadPoolQueueCapacity', 'pageCacheLockTimeMills', 'putMessageDistributeTime',
    ],
  },
  detail: {
    title: 'broker详情',
    head: ['broker名称', '版本', '地址', '主题数', '磁盘使用率', '昨日发送总量', '昨日消费总量', '今日发送总量', '今日消费总量'],
    tabs: ['topic列表', 'TPS监控', '消费组', '生产组'],
    topics: ['topic名称', '读队列', '写队列', '权限', '是否有序'],
    consumers: ['消费组名称', '主题名'],
    producers: ['生产组名称', '主题名'],
  },
} as const;

/** 6.4 */
export const USERS = {
  title: '应用用户管理',
  filters: ['集群', '应用用户'],
  buttons: ['查询', '新建用户'],
  columns: ['租户名', '租户Id', '集群', '应用用户', '描述', '创建时间', '操作'],
  actions: ['修改', '删除', '账户主属性详情'],
  create: { title: '新建应用用户', fields: ['租户名', '集群', '应用用户', '密码', '描述'] },
  change: { title: '修改应用用户', fields: ['租户名', '集群', '应用用户', '密码', '描述'] },
} as const;

/** 6.5 */
export const TOPICS = {
  title: '主题管理',
  filters: ['集群', 'Broker', 'Topic'],
  buttons: ['查询', '新建主题'],
  batch: ['批量创建', '主题模板', '导出', '拨测'],
  columns: ['主题名', 'brokerName', '读队列数', '写队列数', '权限', '是否有序', '操作'],
  permissions: ['读写', '只读', '只写'],
  orders: ['有序', '无序'],
  actions: ['详情', '路由', '堆积量', 'TPS监控', '修改', '重置消费位置', '删除'],
  create: {
    title: '新建Topic',
    fields: ['集群', 'Broker', 'Topic名称', '备注', '每个Broker分区数', '生产模式', '读写权限'],
    placeholder: '请输入字母、数字、下划线、横杠组合',
    hint: '创建严格顺序队列时，设置分区数为1，且只能选择一个broker',
  },
  change: { title: '编辑Topic' },
  detail: {
    title: '详细信息',
    head: ['主题名称', '集群名称', '历史消息数', '当前消息数', '24小时生产消息数', '主broker数', '从broker数'],
    tabs: ['队列信息', '消费组', '生产组'],
    queues: ['消费组', 'broker名称', '队列ID', '生产数量', '消费数量', '操作'],
    queueAction: 'offset查询',
    consumers: ['消费组名称', '主题名', '连接实例'],
    producers: ['生产组名称', '主题名', '连接实例'],
  },
  offset: { title: 'OFFSET查询', fields: ['topic', '订阅组名', '队列ID', '偏移量'] },
  route: {
    title: 'Topic路由',
    sections: ['代理信息', '队列信息'],
    brokers: ['代理名', '代理地址'],
    queues: ['代理名', '读队列', '写队列', '权限'],
  },
  depth: {
    title: '堆积量',
    columns: ['Topic名', 'Broker', '消费组名', '已消费', '未消费', '消费组24h消费', '未签收消息数', '操作'],
  },
  reset: {
    title: '重置消费位置',
    fields: ['消费组名称', 'Topic名称', '重置时间点'],
    total: (count: number) => `重置总数: ${count}`,
    columns: ['主题名称', 'broker名称', '分区ID', '重置前偏移量', '重置后偏移量', '重置偏移差'],
    done: '重置成功',
  },
} as const;

/** 6.5.1 */
export const PROBE = {
  title: '拨测页面',
  tabs: ['生产测试', '消费测试'],
  produce: {
    fields: ['消息类型', '消息数量', '消息大小(KB)', '选择Topic'],
    types: ['普通消息', '有序消息', '延时消息', '事务消息'],
    placeholder: '输入topic进行查找',
    columns: ['messageID', '发送状态', 'topic名', 'Broker名', '队列ID'],
    status: 'SEND_OK',
  },
  consume: {
    fields: ['消费顺序', '消费方式', '消息数量', '选择Topic', '订阅组名'],
    columns: ['messageID', 'topicName', '生成时间', '存储时间', '队列ID', '消费状态'],
    status: 'CONSUMED',
  },
  button: '测试',
} as const;

/** 6.6 */
export const GROUPS = {
  menu: '订阅管理',
  title: '订阅组管理',
  filters: ['集群', 'Broker', '订阅组名'],
  buttons: ['查询', '新建'],
  batch: ['批量创建', '下载模板', '导出'],
  columns: ['订阅组名', 'BrokerName', 'BrokerID', '起始消费位置', '消费机制', '是否开启消费', '操作'],
  actions: ['主题列表', '开启消费', '关闭消费', '修改', '删除'],
  create: {
    title: '新建订阅组',
    fields: ['集群', '订阅组名称', '备注', 'Broker', '起始消费位置', '消费机制', '是否开启消费', '主题权限'],
    placeholder: '请输入字母、数字、下划线、横杠组合',
    start: '由客户端指定',
    mechanism: '1.X版本消费机制',
    choose: '选择主题...',
    unlimited: '(不限制)',
    limited: (count: number) => `(已设置${count}项)`,
  },
  change: { title: '修改订阅组' },
  topics: { title: '编辑主题', columns: ['主题', 'TPS 阈值 (0表示不限制)'] },
} as const;

/** 6.7 */
export const PRODUCERS = {
  menu: '生产者实例查询',
  title: '生产组查询',
  filters: ['集群', 'broker', '生产组名称'],
  columns: ['生产组名', 'topic名', '操作'],
  actions: ['连接实例'],
  instances: { title: '生产者管理', columns: ['生产组名', 'IP', '实例名', '客户端语言', '版本信息'] },
} as const;

/** 6.8 */
export const CONSUMERS = {
  menu: '消费者实例查询',
  title: '消费组查询',
  filters: ['集群', 'broker', '消费组名'],
  hint: '支持模糊查询',
  columns: ['消费组名', '主题', '实例个数', '操作'],
  actions: ['堆积量', '连接实例'],
  instances: {
    title: '消费者查询',
    columns: ['消费组名', '客户端IP', '类型', '版本', '实例名', '消费方式', '消费模式', '消费起始位置'],
  },
  depth: {
    title: '堆积量',
    columns: ['订阅组名', 'Topic名', '消息总量', '消费总量', '24h消费总量', '未消费', 'TPS', '最长未签收时间(毫秒)', '最长未消费时间(毫秒)', '重试次数', '未签收消息数'],
  },
} as const;

/** 6.9 */
export const MESSAGES = {
  title: '消息查询',
  tabs: ['根据key查询', '根据ID查询', '根据offset查询'],
  fields: {
    key: ['topic', 'key', '订阅组名'],
    id: ['topic', 'MsgID', '订阅组名'],
    offset: ['topic', '队列ID', '订阅组名', '偏移量'],
  },
  columns: ['MsgID', '主题', '标签', 'key', '分区ID', '逻辑偏移量', '物理偏移量', '创建时间', '存储时间', '客户端地址', '服务器地址', '属性', '文件路径', '消费状态'],
  action: '查看',
  states: { TO_CONSUME: '未消费', CONSUMED: '已签收', CONSUMING: '已拉取，未签收' },
} as const;
