/** Which voxels are to be fetched again. */
import { mipBox } from '../../../../protocol/volume.ts';
import type { Box } from '../../../client/index.ts';
import type { ToWorker } from '../neuroglancer/messages.ts';
import { onceAFrame } from '../next-frame.ts';
import type { OpenChannel } from './open-channels.ts';

/** Tells the chunk worker what edits of a channel change, at most once a frame: it fetches that again. */
export function tellChanges({ info, channel }: OpenChannel, tell: (message: ToWorker) => void): void {
  let boxes: Box[] = [];
  let seq = 0;
  const frame = onceAFrame(() => {
    const dirty = boxes;
    boxes = [];
    tell({ kind: 'dirty', path: channel.path, boxes: dirty, seq });
  });
  channel.subscription.on('edits', (edits) => {
    seq = edits.at(-1)?.seq ?? seq;
    for (const { changes } of edits) for (const [mip, box] of changes.touched ?? []) if (mip === 0) boxes.push(box);
    if (boxes.length > 0) frame.ask();
  });
  // What happened to the log meanwhile is not told edit by edit.
  channel.subscription.on('reset', () => {
    const [finest] = info.mips;
    if (finest !== undefined) boxes.push(mipBox(finest));
    frame.ask();
  });
}
