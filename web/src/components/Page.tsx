import { theme } from 'antd';
import { useEffect, type ReactNode } from 'react';

interface Props {
  title: string;
  /** Beside the title. */
  extra?: ReactNode;
  children: ReactNode;
}

/** A page: its one heading, the title of the window, its content. */
export function Page({ title, extra, children }: Props) {
  const { token } = theme.useToken();
  useEffect(() => {
    document.title = `${title} · Firn`;
  }, [title]);
  return (
    <article className="page">
      <div className="page-head">
        <h1 style={{ color: token.colorTextHeading }}>{title}</h1>
        {extra}
      </div>
      {children}
    </article>
  );
}
