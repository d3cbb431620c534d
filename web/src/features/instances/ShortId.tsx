import { Tooltip } from 'antd';
import { CopyButton } from '@/components/CopyButton';

/** Enough to tell instances apart. */
const SHOWN = 8;

/** The beginning of an id, which is longer than a column may be; all of it on top, and to copy. */
export function ShortId({ id }: { id: string }) {
  return (
    <span className="short-id">
      <Tooltip title={id} trigger={['hover', 'focus']}>
        {/* For the keyboard too, which has no other way to see all of it. */}
        <span tabIndex={0}>{id.length > SHOWN ? `${id.slice(0, SHOWN)}…` : id}</span>
      </Tooltip>
      <CopyButton text={() => id} name={id} isIcon />
    </span>
  );
}
