export const zh = {
  title: '控制台用户与API令牌',
} as const;
