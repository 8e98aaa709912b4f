/** Which voxels the page has fetched again. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Emitter } from '../../src/client/events.ts';
import type { EditEvent, SubscriptionReset } from '../../src/client/index.ts';
import type { ToWorker } from '../../src/viewer/page/neuroglancer/messages.ts';
import type { OpenChannel } from '../../src/viewer/page/volume/open-channels.ts';
import { tellChanges } from '../../src/viewer/page/volume/tell-changes.ts';

const MIP = { shape: [100, 90, 80], chunk: [64, 64, 64], voxel: [8, 8, 8], offset: [10, 0, 0] };

describe('voxels that are fetched again', () => {
  const told: ToWorker[] = [];
  let events: Emitter<{ edits: readonly Partial<EditEvent>[]; reset: Partial<SubscriptionReset> }>;
  beforeEach(() => {
    told.length = 0;
    vi.stubGlobal('requestAnimationFrame', () => 1);
    vi.stubGlobal('cancelAnimationFrame', () => {});
    events = new Emitter();
    const subscription = { on: events.on.bind(events) };
    const open = { info: { mips: [MIP] }, channel: { path: 'a/b/c/d', subscription } };
    tellChanges(open as unknown as OpenChannel, (message) => told.push(message));
  });
  afterEach(() => vi.unstubAllGlobals());

  it('are the boxes of mip 0 that edits touched, told together', async () => {
    events.emit('edits', [
      {
        seq: 4,
        changes: {
          touched: [
            [0, [0, 0, 0, 2, 2, 2]],
            [1, [0, 0, 0, 1, 1, 1]],
          ],
        },
      },
      { seq: 5, changes: { joined: new Uint8Array(16) } },
    ]);
    events.emit('edits', [{ seq: 6, changes: { touched: [[0, [5, 5, 5, 6, 6, 6]]] } }]);
    await Promise.resolve();
    const boxes = [
      [0, 0, 0, 2, 2, 2],
      [5, 5, 5, 6, 6, 6],
    ];
    expect(told).toEqual([{ kind: 'dirty', path: 'a/b/c/d', boxes, seq: 6 }]);
  });

  it('are none where an edit changed bodies alone', async () => {
    events.emit('edits', [{ seq: 1, changes: { joined: new Uint8Array(16) } }]);
    await Promise.resolve();
    expect(told).toEqual([]);
  });

  it('[S1] are all where the log begins anew, or too much of it was missed', async () => {
    events.emit('reset', { newEpoch: true });
    await Promise.resolve();
    expect(told).toEqual([{ kind: 'dirty', path: 'a/b/c/d', boxes: [[10, 0, 0, 110, 90, 80]], seq: 0 }]);
  });
});
