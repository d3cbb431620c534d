import { ChangeDialog } from './ChangeDialog';
import { DepthDialog } from './DepthDialog';
import { ResetDialog } from './ResetDialog';
import { RouteDialog } from './RouteDialog';
import type { RowDialog } from './RowActions';
import { TpsDialog } from './TpsDialog';

/** The dialog that a row's action opens. */
export default function RowDialogs({ dialog, onClose }: { dialog: RowDialog; onClose: () => void }) {
  const topic = dialog.row.topicName;
  switch (dialog.kind) {
    case 'route':
      return <RouteDialog topic={topic} onClose={onClose} />;
    case 'depth':
      return <DepthDialog topic={topic} onClose={onClose} />;
    case 'tps':
      return <TpsDialog topic={topic} onClose={onClose} />;
    case 'change':
      return <ChangeDialog topic={topic} onClose={onClose} />;
    case 'reset':
      return <ResetDialog topic={topic} onClose={onClose} />;
  }
}
