export const zh = {
  title: '配额',
} as const;
